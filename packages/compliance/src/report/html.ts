import type { ComplianceReport, RuleResult } from '../run-compliance.ts'
import { ruleFamilies } from '../rules/index.ts'

const VERDICTS = ['pass', 'fail', 'not applicable', 'needs a person'] as const

/** The report as one HTML page without scripts or outside references: it can be printed, mailed and archived. */
export function complianceHtml(report: ComplianceReport): string {
  const families = ruleFamilies.filter(({ name }) => report.counts[name] !== undefined)
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Compliance report</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid #ddd }
td.n { text-align: right; font-variant-numeric: tabular-nums }
.pass { color: #116329 } .fail { color: #b3261e; font-weight: 600 } .not-applicable { color: #666 } .needs-a-person { color: #8a5a00 }
ul { margin: .3rem 0 0; padding-left: 1.2rem }
</style>
<h1>Compliance report</h1>
<p>Ran at ${escape(report.ranAt.toISOString())}, ${report.results.length} rules, schema <code>${escape(report.fingerprint.slice(0, 16))}</code>.</p>
<table>
<thead><tr><th>family<th>rules${VERDICTS.map((verdict) => `<th>${verdict}`).join('')}</thead>
${families.map(({ name, title }) => countsRow(report, name, title)).join('\n')}
</table>
${families.map(({ name, title, unconfirmedClauses }) => familySection(report, name, title, unconfirmedClauses)).join('\n')}
</html>
`
}

function countsRow({ counts, results }: ComplianceReport, name: string, title: string): string {
  const rules = results.filter(({ family }) => family === name).length
  const cells = [rules, ...VERDICTS.map((verdict) => counts[name]?.[verdict] ?? 0)]
  return `<tr><td><a href="#${name}">${escape(title)}</a>${cells.map((n) => `<td class="n">${n}`).join('')}`
}

function familySection(report: ComplianceReport, name: string, title: string, unconfirmed: boolean): string {
  const note = unconfirmed
    ? '<p>Clause numbers were not compared with the text of the standard: a person who has it must confirm them.'
    : ''
  const rows = report.results.filter(({ family }) => family === name).map(resultRow)
  return `<h2 id="${name}">${escape(title)}</h2>${note}
<table>
<thead><tr><th>rule<th>source<th>what must hold<th>verdict<th>evidence</thead>
${rows.join('\n')}
</table>`
}

function resultRow({ id, source, rule, verdict, evidence, offenders }: RuleResult): string {
  const list = offenders.length === 0 ? '' : `<ul>${offenders.map((text) => `<li>${escape(text)}`).join('')}</ul>`
  const tone = verdict.replaceAll(' ', '-')
  return `<tr><td>${id}<td>${escape(source)}<td>${escape(rule)}<td class="${tone}">${verdict}<td>${escape(evidence)}${list}`
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
