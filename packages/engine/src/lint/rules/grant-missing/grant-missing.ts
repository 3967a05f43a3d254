import { quoteIdentifier, quoteQualified } from '../../../bundle/quote.ts'
import type { Grant, SourcePosition, Table } from '../../../catalog/model.ts'
import type { LintRule } from '../../rule.ts'

export const grantMissing: LintRule = {
  id: 'grant-missing',
  family: 'history',
  severity: 'error',
  effect: 'A grant on all tables holds for the tables of that day: the application is refused on this one.',
  instead: 'Grant the same on the new table, or use ALTER DEFAULT PRIVILEGES before it is created.',
  *checkHistory({ catalog, history }) {
    for (const { schema, roles, position } of grantsOnAll(history.files)) {
      for (const table of catalog.tables.values()) {
        if (table.schema !== schema || !table.position || !isBehind(table.position, position, history.files)) continue
        for (const role of roles) {
          if (isGrantedTo(table, role)) continue
          const name = `${table.schema}.${table.name}`
          yield {
            position: table.position,
            object: name,
            message: `'${role}' may use the other tables of '${schema}', but not '${name}'`,
            related: [{ ...position, message: 'granted on all tables of that day here' }],
            fix: `grant select on ${quoteQualified(table.schema, table.name)} to ${quoteIdentifier(role)};`,
          }
        }
      }
    }
  },
}

interface GrantOnAll {
  readonly schema: string
  readonly roles: string[]
  readonly position: SourcePosition
}

type Files = Parameters<NonNullable<LintRule['checkHistory']>>[0]['history']['files']

function grantsOnAll(files: Files): GrantOnAll[] {
  return files.flatMap(({ file, statements, name }) =>
    statements.flatMap(({ node, line, column }): GrantOnAll[] => {
      if (name?.kind === 'undo' || !('GrantStmt' in node) || !node.GrantStmt.is_grant) return []
      const { targtype, objtype, objects = [], grantees = [] } = node.GrantStmt
      if (targtype !== 'ACL_TARGET_ALL_IN_SCHEMA' || objtype !== 'OBJECT_TABLE') return []
      const roles = grantees.flatMap((grantee) =>
        'RoleSpec' in grantee ? [grantee.RoleSpec.rolename ?? 'public'] : [],
      )
      return objects.flatMap((object) =>
        'String' in object ? [{ schema: object.String.sval ?? '', roles, position: { file, line, column } }] : [],
      )
    }),
  )
}

function isBehind(a: SourcePosition, b: SourcePosition, files: Files): boolean {
  const order = (file: string) => files.find((own) => own.file === file)?.order ?? -1
  return order(a.file) > order(b.file) || (a.file === b.file && a.line > b.line)
}

/** A partition is read through its parent. */
function isGrantedTo({ grants, partitionOf }: Table, role: string): boolean {
  return partitionOf !== null || grants.some(({ grantee }: Grant) => grantee === role || grantee === 'public')
}
