// What a model says about itself, in words: from config.json, or from the server's list of models.

const UNINTENDED =
  "Inferring emotions of people at work or in education, which the EU AI Act, Article 5(1)(f), " +
  "prohibits; decisions about a person, lie detection, diagnosis; listening to people who have " +
  "not agreed.";
const MEASURES = { uar: "UAR", wa: "accuracy", macro_f1: "macro F1", ece: "ECE" };

/** @returns {{name: string, value: string}[]} names may repeat */
export function describe(model) {
  const facts = [
    ["name", model.name ?? model.id],
    ["emotions", model.labels.join(", ")],
    ...(model.training_data ?? []).map((corpus) => ["trained on", aboutCorpus(corpus)]),
    ...(model.metrics ?? []).map((metric) => ["measured", aboutMetric(metric)]),
    ["licence", model.licence || "not stated"],
    ["intended use", model.intended_use],
    ["not for", model.unintended_use || UNINTENDED],
  ];
  return facts.filter(([, value]) => value).map(([name, value]) => ({ name, value: String(value) }));
}

function aboutCorpus({ corpus = "unnamed corpus", clips, speakers, licence }) {
  const amount = clips === undefined ? "" : `, ${clips} clips`;
  const voices = speakers === undefined ? "" : ` of ${speakers} speakers`;
  return `${corpus}${amount}${voices}${licence ? ` (${licence})` : ""}`;
}

function aboutMetric(metric) {
  const figures = Object.entries(MEASURES)
    .filter(([key]) => typeof metric[key] === "number")
    .map(([key, name]) => `${name} ${(100 * metric[key]).toFixed(1)} %`);
  return `${metric.protocol ?? "protocol not stated"}: ${figures.join(", ") || "no figures"}`;
}
