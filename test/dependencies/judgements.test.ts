import t from "tap";
import { judgeAudit, judgeLicences } from "./judgements.js";

const sbom = (...licences: (object | undefined)[]) =>
  JSON.stringify({
    components: licences.map((licence, i) => ({
      name: `package-${String(i)}`,
      version: "1.0.0",
      ...(licence && { licenses: [licence] }),
    })),
  });

void t.test("a licence that is not allowed, or none, is told by the package's name", (t) => {
  const mit = { license: { id: "MIT" } };
  t.strictSame(judgeLicences(sbom(mit, mit, { expression: "(GPL-3.0 OR ISC)" })), {
    isFine: true,
    text: "licences of production dependencies: MIT 2, (GPL-3.0 OR ISC) 1",
  });
  for (const bad of [
    { license: { id: "GPL-3.0-only" } },
    { license: { name: "UNLICENSED" } },
    undefined,
  ]) {
    const { isFine, text } = judgeLicences(sbom(mit, bad));
    t.notOk(isFine);
    t.match(text, /not allowed: package-1@1\.0\.0/);
  }
  t.notOk(judgeLicences("").isFine, "a list that is not there says nothing");
  t.end();
});

void t.test("a known vulnerability fails, a registry that does not answer is said", (t) => {
  const found = { vulnerabilities: { ws: { severity: "high" } } };
  t.match(judgeAudit(JSON.stringify(found)), { isFine: false, text: /ws \(high\)/ });
  t.ok(judgeAudit(JSON.stringify({ vulnerabilities: {} })).isFine);
  for (const answer of ["", JSON.stringify({ message: "405 Method Not Allowed" })]) {
    t.match(judgeAudit(answer), { isFine: true, text: /does not answer/ });
  }
  t.end();
});
