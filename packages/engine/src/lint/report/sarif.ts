import type { Finding } from '../../verify/finding.ts'

const LEVELS = { error: 'error', warning: 'warning', info: 'note' } as const

export interface RuleText {
  readonly id: string
  readonly effect: string
  readonly instead: string
}

/** SARIF 2.1.0 (OASIS), what GitHub code scanning and most editors read. */
export function lintSarif(findings: readonly Finding[], rules: readonly RuleText[], version: string): object {
  const used = rules.filter(({ id }) => findings.some(({ rule }) => rule === id))
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'imhotep',
            version,
            rules: used.map(({ id, effect, instead }) => ({
              id,
              shortDescription: { text: effect },
              help: { text: instead },
            })),
          },
        },
        columnKind: 'utf16CodeUnits',
        results: findings.map(toResult),
      },
    ],
  }
}

function toResult(finding: Finding): object {
  const { rule, severity, message, related, file, line, column, object } = finding
  return {
    ruleId: rule,
    level: LEVELS[severity],
    message: { text: message },
    locations: file === null ? [logical(object)] : [physical(file, line, column)],
    ...(related.length === 0
      ? {}
      : {
          relatedLocations: related.map((end, id) => ({
            id,
            ...physical(end.file, end.line, null),
            message: { text: end.message },
          })),
        }),
  }
}

function physical(file: string, line: number | null, column: number | null): object {
  return {
    physicalLocation: {
      artifactLocation: { uri: encodeURI(file.replaceAll('\\', '/')) },
      region: { startLine: line ?? 1, ...(column === null ? {} : { startColumn: column }) },
    },
  }
}

function logical(object: string | null): object {
  return { logicalLocations: [{ fullyQualifiedName: object ?? 'database' }] }
}
