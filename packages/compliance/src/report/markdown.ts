import type { ComplianceReport, RuleResult } from '../run-compliance.ts'
import { ruleFamilies } from '../rules/index.ts'

const VERDICTS = ['pass', 'fail', 'not applicable', 'needs a person'] as const

/** The report as Markdown: counts by family, then a table a family. */
export function complianceMarkdown(report: ComplianceReport): string {
  const families = ruleFamilies.filter(({ name }) => report.counts[name] !== undefined)
  return `# Compliance report

Ran at ${report.ranAt.toISOString()}, ${report.results.length} rules, schema ${report.fingerprint.slice(0, 16)}.

| family | rules | ${VERDICTS.join(' | ')} |
| --- | ---: | ---: | ---: | ---: | ---: |
${families.map(({ name, title }) => countsLine(report, name, title)).join('\n')}

${families.map(({ name, title, unconfirmedClauses }) => familySection(report, name, title, unconfirmedClauses)).join('\n\n')}
`
}

function countsLine({ counts, results }: ComplianceReport, name: string, title: string): string {
  const of = counts[name]
  const rules = results.filter(({ family }) => family === name).length
  return `| ${title} | ${rules} | ${VERDICTS.map((verdict) => of?.[verdict] ?? 0).join(' | ')} |`
}

function familySection(report: ComplianceReport, name: string, title: string, unconfirmed: boolean): string {
  const results = report.results.filter(({ family }) => family === name)
  const note = unconfirmed
    ? '\nClause numbers were not compared with the text of the standard: a person who has it must confirm them.\n'
    : ''
  return `## ${title}
${note}
| rule | source | what must hold | kind | verdict | evidence |
| --- | --- | --- | --- | --- | --- |
${results.map(resultLine).join('\n')}`
}

function resultLine({ id, source, rule, kind, verdict, evidence, offenders }: RuleResult): string {
  const found = offenders.length === 0 ? '' : `: ${offenders.slice(0, 20).join('; ')}`
  const more = offenders.length > 20 ? ` and ${offenders.length - 20} more` : ''
  return `| ${[id, source, rule, kind, verdict, `${evidence}${found}${more}`].map(cell).join(' | ')} |`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ')
}
