// The page's words in Chinese, by the English ones. What the module and a server say, warnings and
// errors, and what a model says about itself stay as they are.

const CHINESE = {
  // emotions
  angry: "愤怒",
  boredom: "无聊",
  calm: "平静",
  disgust: "厌恶",
  fearful: "恐惧",
  happy: "高兴",
  neutral: "中性",
  sad: "悲伤",
  surprised: "惊讶",
  uncertain: "不确定",
  // index.html
  "affekt: emotion in speech": "affekt：语音中的情感",
  "Skip to the answer": "跳到结果",
  "What does a voice sound like?": "这个声音听起来怎样？",
  "Your voice": "你的声音",
  "Where it is analysed": "在哪里分析",
  "On this device": "本设备",
  "On the server": "服务器",
  "Looking what is there …": "正在检查可用的分析方式……",
  Model: "模型",
  "This server asks for a key": "此服务器需要密钥",
  "Use it": "使用",
  "Sent to this server alone, and forgotten when the page closes.": "只发送给此服务器，关闭页面后即忘记。",
  "Learn my voice": "学习我的声音",
  "Forget my voice": "忘记我的声音",
  Listen: "开始听",
  Stop: "停止",
  "Choose a recording": "选择录音",
  "or drop it anywhere": "，或拖放到页面任意处",
  "Input level": "输入电平",
  "no input": "无输入",
  Result: "结果",
  "Nothing yet": "暂无结果",
  "Listen, or choose a recording.": "请开始听，或选择一段录音。",
  "Probability of each emotion": "每种情感的概率",
  unpleasant: "不愉快",
  pleasant: "愉快",
  excited: "激动",
  "What makes the answer less sure": "使答案不太可靠的因素",
  "Time line": "时间线",
  "Empty time line": "空时间线",
  Play: "播放",
  Pause: "暂停",
  "Place in the recording": "录音中的位置",
  "Segments of the time line": "时间线的片段",
  From: "开始",
  To: "结束",
  Emotion: "情感",
  Probability: "概率",
  "Save the time line": "保存时间线",
  "Save as": "另存为",
  "HTML report": "HTML 报告",
  "Before you rely on it": "使用之前请注意",
  "An estimate of how speech": "这是对语音",
  sounds: "听起来怎样",
  ", learnt mostly from actors. It does not know what anyone feels, and it is often wrong.":
    "的估计，主要从演员的录音中学来。它不知道任何人的真实感受，而且常常出错。",
  "Not for assessing people.": "不得用于评判他人。",
  "Inferring emotions at work or in education is prohibited in the European Union (AI Act, Art. 5(1)(f)). Only listen to people who have agreed.":
    "欧盟《人工智能法》第 5(1)(f) 条禁止在工作和教育场所推断情感。只听取已经同意的人的声音。",
  "The model": "模型信息",
  "Drop the recording": "松开以放入录音",
  // page.js
  "Theme: automatic": "主题：自动",
  "Theme: light": "主题：浅色",
  "Theme: dark": "主题：深色",
  "No sound yet.": "还没有声音。",
  "On this device: not offered here. Who runs the server can add it: affekt serve --on-device.":
    "本设备：此处未提供。服务器的管理者可以启用：affekt serve --on-device。",
  "On the server: there is none behind this page.": "服务器：此页面没有服务器。",
  "Known from 1 stretch of speech: statistics, no sound, kept in this browser alone.":
    "来自 1 段语音：只有统计量，没有声音，只保存在此浏览器中。",
  "Known from {0} stretches of speech: statistics, no sound, kept in this browser alone.":
    "来自 {0} 段语音：只有统计量，没有声音，只保存在此浏览器中。",
  " Not used.": "未使用。",
  "Listen for a while: answers will fit your voice.": "听一会儿，答案就会适应你的声音。",
  "Sound stays on this device: the model runs in this browser, and nothing is uploaded.":
    "声音留在本设备：模型在此浏览器中运行，不上传任何内容。",
  " The connection is not encrypted.": "连接未加密。",
  "{0}, on this computer": "{0}（本机）",
  "{0}, over the network": "{0}（经网络）",
  "Sound is sent to {0}. It is analysed in memory there and not kept.{1}":
    "声音会发送到 {0}，在那里的内存中分析，不保存。{1}",
  "Hearing {0} …": "正在分析 {0}……",
  "Whole recording, {0}": "整段录音，{0}",
  "{0}: {1}. {2} segments.": "{0}：{1}。{2} 个片段。",
  "Time line: no sound": "时间线：没有声音",
  "Time line: {0}": "时间线：{0}",
  "{0} to {1} {2}": "{0} 至 {1} {2}",
  ", and {0} more in the table below": "，其余 {0} 个见下表",
  "Calling the server …": "正在连接服务器……",
  "Loading the model …": "正在载入模型……",
  "Listening …": "正在听……",
  live: "实时",
  "{0} to {1}": "{0} 至 {1}",
  "No sound was recorded. Speak for some seconds.": "没有录到声音。请说几秒钟。",
  // facts.js
  name: "名称",
  emotions: "情感",
  "trained on": "训练数据",
  measured: "测量",
  licence: "许可",
  "intended use": "用途",
  "not for": "不得用于",
  // parts.js
  "{0} probable. {1}": "概率 {0}。{1}",
  "{0}, {1} probable": "{0}，概率 {1}",
  "All of it: {0}. {1}": "整体：{0}。{1}",
  "{0} decibels": "{0} 分贝",
  "No sound arrives: is the microphone muted?": "没有声音：麦克风是否静音？",
  "Too loud, it clips: move away, or turn the microphone down.": "太响，声音削波：请离远一些，或调低麦克风。",
  "Very quiet: come closer, or turn the microphone up.": "太轻：请靠近一些，或调高麦克风。",
  "Play from {0}": "从 {0} 播放",
  // summary.js, dimensions.js, track.js
  "no answer": "无结果",
  "mixed: {0}": "混合：{0}",
  "mostly {0}": "主要为{0}",
  "from {0} to {1}": "从 {0} 到 {1}",
  "in {0} of the time": "占 {0} 的时间",
  "derived from the probabilities": "由概率推算",
  "as the model says": "由模型给出",
  "Valence {0}, arousal {1}, {2}": "效价 {0}，唤醒度 {1}，{2}",
  sound: "声音",
  heard: "情感",
};
const KEPT = "affekt-language";

/** Whether the page is in Chinese: as chosen, else as the browser is. */
export const chinese = (localStorage.getItem(KEPT) ?? navigator.language).startsWith("zh");

/** A text in the language of the page, with values for {0}, {1} ... */
export function say(text, ...values) {
  const known = chinese && Object.hasOwn(CHINESE, text) ? CHINESE[text] : text;
  return known.replace(/\{(\d)\}/g, (_, place) => values[place]);
}

/** Put what index.html says into the language of the page. */
export function translate() {
  const other = document.getElementById("language");
  other.addEventListener("click", () => {
    localStorage.setItem(KEPT, chinese ? "en" : "zh");
    location.reload();
  });
  if (!chinese) return;
  document.documentElement.lang = "zh-CN";
  document.title = say(document.title);
  other.textContent = "English";
  other.lang = "en";
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const words = texts.currentNode.data.replace(/\s+/g, " ").trim();
    if (words) texts.currentNode.data = texts.currentNode.data.replace(/\S[^]*\S|\S/, say(words));
  }
  for (const name of ["aria-label", "aria-valuetext", "data-drop"]) {
    for (const element of document.querySelectorAll(`[${name}]`)) {
      element.setAttribute(name, say(element.getAttribute(name)));
    }
  }
}
