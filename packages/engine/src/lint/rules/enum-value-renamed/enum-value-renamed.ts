import { path } from '../../../parse/references.ts'
import { typeKey } from '../../history/names.ts'
import { isNewObject } from '../../locks/is-new-object.ts'
import type { LintRule } from '../../rule.ts'

export const enumValueRenamed: LintRule = {
  id: 'enum-value-renamed',
  family: 'destruction',
  severity: 'error',
  effect:
    'Running clients that write or compare with the old value fail, and those that read meet a value that they do not know.',
  instead:
    'Add the new value, let the code know both, change the rows in batches, then let the code forget the old one.',
  on: ['AlterEnumStmt', 'RenameStmt'],
  *check({ node }, moment) {
    if ('RenameStmt' in node) {
      const { renameType, object, newname } = node.RenameStmt
      if (renameType !== 'OBJECT_TYPE' && renameType !== 'OBJECT_DOMAIN') return
      const name = typeKey(object && 'List' in object ? path(object.List.items) : [])
      if (!isNewObject(moment.catalog.types.get(name)?.position, moment))
        yield { object: name, message: `type '${name}' becomes '${newname}'` }
    }
    if (!('AlterEnumStmt' in node) || node.AlterEnumStmt.oldVal === undefined) return
    const { typeName, oldVal, newVal } = node.AlterEnumStmt
    const name = typeKey(path(typeName))
    const type = moment.catalog.types.get(name)
    if (isNewObject(type?.position, moment)) return
    yield {
      object: name,
      message: `value '${oldVal}' of '${name}' becomes '${newVal}'`,
      related: type?.position ? [{ ...type.position, message: 'the type is created here' }] : [],
    }
  },
}
