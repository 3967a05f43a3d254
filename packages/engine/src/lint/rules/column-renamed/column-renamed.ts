import { relationKey } from '../../history/names.ts'
import { isNewObject } from '../../locks/is-new-object.ts'
import type { LintRule } from '../../rule.ts'

export const columnRenamed: LintRule = {
  id: 'column-renamed',
  family: 'destruction',
  severity: 'error',
  effect:
    'Running clients that name the column fail from the moment of the migration on, and again when it is taken back.',
  instead:
    'Add the new column, keep both in step with a trigger, fill old rows in batches, move the code, then drop the old one; or give only the view that clients read the new name.',
  on: ['RenameStmt'],
  *check({ node }, moment) {
    if (!('RenameStmt' in node) || node.RenameStmt.renameType !== 'OBJECT_COLUMN') return
    const { relation, subname = '', newname = '' } = node.RenameStmt
    const table = relationKey(relation)
    const column = moment.catalog.tables.get(table)?.columns.get(subname)
    if (moment.isNew(table) || (column && isNewObject(column.position, moment))) return
    yield {
      object: `${table}.${subname}`,
      message: `column '${subname}' of '${table}' becomes '${newname}'`,
      related: column?.position ? [{ ...column.position, message: 'added here' }] : [],
    }
  },
}
