// Reads PDFs with pdf.js, and prints one JSON object a line. tools/receipt_readers.py runs it.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, ...paths] = process.argv.slice(2);
const { getDocument } = await import(pathToFileURL(`${folder}/legacy/build/pdf.mjs`));

function roles(node) {
  return node ? [node.role, ...(node.children ?? []).flatMap(roles)] : [];
}

for (const path of paths) {
  const document = await getDocument({ data: new Uint8Array(readFileSync(path)), verbosity: 0 }).promise;
  const texts = [];
  const findings = [];
  for (let number = 1; number <= document.numPages; number++) {
    const page = await document.getPage(number);
    texts.push((await page.getTextContent()).items.map((item) => item.str + (item.hasEOL ? "\n" : "")).join(""));
    const fields = (await page.getAnnotations()).filter((annotation) => annotation.subtype === "Widget");
    const forms = roles(await page.getStructTree()).filter((role) => role === "Form");
    if (fields.some((field) => !field.alternativeText)) findings.push("a field has no name");
    if (fields.length !== forms.length) findings.push("a field has no Form tag");
  }
  console.log(JSON.stringify({ path, text: texts.join("\n"), findings }));
}
