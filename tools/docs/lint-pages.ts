import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { catalogRules, lintRules, type LintRule } from '@imhotep/engine'

const FAMILIES: Readonly<Record<string, string>> = {
  history: 'Histories that stop on a new database, or end in another schema than their authors meant',
  locks: 'Statements that make a running application wait',
  destruction: 'Lost data and broken clients',
  tenancy: 'Rows of one tenant that another one can reach',
  audit: 'Changes that leave no trace',
  policy: 'Tables without the protection that their class asks for',
  privileges: 'Roles that may do too much, or too little',
  structure: 'Keys, types and names that cause trouble later',
  documentation: 'What nobody wrote down',
}

/** The list of all rules and a page for each rule over statements, made of its record and its examples. */
export function lintPages(root: string): Record<string, string> {
  const pages = lintRules.map((rule) => [`docs/reference/lint/${rule.id}.md`, rulePage(root, rule)])
  return { 'docs/reference/lint.md': listPage(), ...(Object.fromEntries(pages) as Record<string, string>) }
}

function listPage(): string {
  const rules = [
    ...lintRules.map((rule) => ({ ...rule, name: `[${rule.id}](lint/${rule.id}.md)` })),
    ...catalogRules.map((rule) => ({ ...rule, name: rule.id })),
  ]
  const sections = Object.entries(FAMILIES).flatMap(([family, title]) => {
    const own = rules.filter((rule) => rule.family === family)
    if (own.length === 0) return []
    const rows = own.map(({ name, severity, effect }) => `| ${name} | ${severity} | ${effect} |`)
    return [
      `## ${family}\n\n${title}.\n\n| rule | severity | what happens |\n| --- | --- | --- |\n${rows.join('\n')}\n`,
    ]
  })
  return [
    '# Rules of lint\n',
    `${rules.length} rules, written from the code. Those without a page look at the schema that a history ends in; \`imhotep verify\` ` +
      'runs the same ones on a live database.\n',
    'Silence a rule at one place with a comment before the statement: `-- imhotep:ignore <rule> <reason>`.\n',
    ...sections,
  ].join('\n')
}

function rulePage(root: string, { id, family, severity, profile, effect, instead }: LintRule): string {
  const example = (name: string) =>
    readFileSync(join(root, 'packages/engine/src/lint/rules', id, name), 'utf8').trimEnd()
  const style = profile === 'style' ? ', runs with `--profile all` only' : ''
  return [
    `# ${id}\n`,
    `Family [${family}](../lint.md#${family}), ${severity}${style}.\n`,
    `${effect}\n`,
    `**Instead:** ${instead}\n`,
    `## Found\n\nThe lines that end with \`-- here\`.\n\n\`\`\`sql\n${example('bad.sql')}\n\`\`\`\n`,
    `## Not found\n\n\`\`\`sql\n${example('good.sql')}\n\`\`\`\n`,
  ].join('\n')
}
