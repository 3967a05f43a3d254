import type { DiffStatement } from './diff-statement.ts'

/** Statements as a script; hazards stand as comments above them. */
export function diffScript(statements: readonly DiffStatement[]): string {
  return statements
    .map(({ sql, hazard, reason }) => {
      const warning = hazard === null || sql.startsWith('--') ? '' : `-- ${hazard}: ${reason}\n`
      return `${warning}${sql}${sql.startsWith('--') ? '' : ';'}\n`
    })
    .join('')
}
