"""Time lines and streams: windows over sound as it comes, and the segments made of them.

stream      sound as it comes, in chunks of any size
timeline    a whole recording, while it is read
sliding     windows over a stream: what the model says of each
pooling     windows of models that stream frame by frame
opening     the first seconds, before a window is full
activity    when there is something to predict
vad         when somebody speaks
segmenter   from windows to segments: smooth, label, merge
"""
