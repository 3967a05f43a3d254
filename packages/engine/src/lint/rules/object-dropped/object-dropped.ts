import type { ParsedStatement } from '../../../parse/parse-sql.ts'
import { path } from '../../../parse/references.ts'
import { droppedObjects } from '../../destruction/dropped-objects.ts'
import { isCalled, laterStatements } from '../../destruction/later-statements.ts'
import { createdNames } from '../../history/created-names.ts'
import type { LintRule } from '../../rule.ts'

const KINDS = new Set([
  'view',
  'materialized view',
  'type',
  'domain',
  'sequence',
  'extension',
  'publication',
  'foreign table',
])

export const objectDropped: LintRule = {
  id: 'object-dropped',
  family: 'destruction',
  severity: 'warning',
  effect: 'Running clients that name it fail from the moment of the migration on.',
  instead: 'Deploy code that no longer names it, then drop it in a later file.',
  on: ['DropStmt'],
  *check(statement, moment) {
    for (const { kind, name, position } of droppedObjects(statement, moment)) {
      if (!KINDS.has(kind)) continue
      const isMadeAgain = laterStatements(statement, moment.file).some((later) =>
        namesMade(later).some((own) => isCalled(own, name)),
      )
      if (isMadeAgain) continue
      yield {
        object: name,
        message: `${kind} '${name}' is dropped`,
        related: position ? [{ ...position, message: 'created here' }] : [],
      }
    }
  },
}

function namesMade(statement: ParsedStatement): string[] {
  const { node } = statement
  if ('CreateExtensionStmt' in node) return [node.CreateExtensionStmt.extname ?? '']
  if ('CreatePublicationStmt' in node) return [node.CreatePublicationStmt.pubname ?? '']
  if ('DefineStmt' in node) return [path(node.DefineStmt.defnames).join('.')]
  return createdNames(statement).map(({ name }) => name)
}
