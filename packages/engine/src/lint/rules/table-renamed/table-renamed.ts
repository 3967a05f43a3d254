import { relationKey } from '../../history/names.ts'
import { isCalled, laterStatements } from '../../destruction/later-statements.ts'
import { isNewObject } from '../../locks/is-new-object.ts'
import type { LintRule } from '../../rule.ts'

const RELATIONS: Readonly<Record<string, string>> = {
  OBJECT_TABLE: 'table',
  OBJECT_VIEW: 'view',
  OBJECT_MATVIEW: 'materialized view',
  OBJECT_FOREIGN_TABLE: 'foreign table',
}

export const tableRenamed: LintRule = {
  id: 'table-renamed',
  family: 'destruction',
  severity: 'error',
  effect: 'Running clients that name it fail from the moment of the migration on, and again when it is taken back.',
  instead:
    'In the same file leave a view under the old name (create view OLD with (security_invoker) as select * from NEW), which can be written through; move the code; drop the view later.',
  on: ['RenameStmt', 'AlterObjectSchemaStmt'],
  *check(statement, moment) {
    const { node } = statement
    if ('RenameStmt' in node && node.RenameStmt.renameType === 'OBJECT_SCHEMA') {
      const { subname = '', newname = '' } = node.RenameStmt
      const schema = moment.catalog.schemas.get(subname)
      if (isNewObject(schema?.position, moment)) return
      yield {
        object: subname,
        message: `schema '${subname}' becomes '${newname}', and with it the name of all it holds`,
      }
      return
    }
    const renamed = readRename(node)
    if (!renamed || moment.isNew(renamed.from)) return
    const isLeftBehind = laterStatements(statement, moment.file).some(
      ({ node: other }) => 'ViewStmt' in other && isCalled(relationKey(other.ViewStmt.view), renamed.from),
    )
    // A swap: another one takes the name in the same transaction.
    const isTaken = laterStatements(statement, moment.file).some(({ node: other }) =>
      isCalled(readRename(other)?.to ?? '', renamed.from),
    )
    if (isLeftBehind || isTaken) return
    yield { object: renamed.from, message: `${renamed.kind} '${renamed.from}' becomes '${renamed.to}'` }
  },
}

function readRename(node: object): { kind: string; from: string; to: string } | null {
  if ('RenameStmt' in node) {
    const {
      renameType = '',
      relation,
      newname = '',
    } = node.RenameStmt as { renameType?: string; relation?: object; newname?: string }
    const kind = RELATIONS[renameType]
    if (!kind || !relation) return null
    const from = relationKey(relation)
    return { kind, from, to: `${from.split('.')[0]}.${newname}` }
  }
  if (!('AlterObjectSchemaStmt' in node)) return null
  const {
    objectType = '',
    relation,
    newschema = '',
  } = node.AlterObjectSchemaStmt as {
    objectType?: string
    relation?: object
    newschema?: string
  }
  const kind = RELATIONS[objectType]
  if (!kind || !relation) return null
  const from = relationKey(relation)
  return { kind, from, to: `${newschema}.${from.split('.')[1]}` }
}
