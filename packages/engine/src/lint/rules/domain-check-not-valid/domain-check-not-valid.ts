import { path } from '../../../parse/references.ts'
import { typeKey } from '../../history/names.ts'
import { isNewObject } from '../../locks/is-new-object.ts'
import type { LintRule } from '../../rule.ts'

export const domainCheckNotValid: LintRule = {
  id: 'domain-check-not-valid',
  family: 'locks',
  severity: 'warning',
  effect: 'Writers of every table with a column of the domain wait while all of its rows are checked.',
  instead:
    'alter domain .. add constraint .. check (..) not valid, then alter domain .. validate constraint in the next file.',
  on: ['AlterDomainStmt'],
  *check({ node, text, start }, moment) {
    if (!('AlterDomainStmt' in node)) return
    const { subtype, typeName, def } = node.AlterDomainStmt
    const isCheck = subtype === 'C' && def !== undefined && 'Constraint' in def && !def.Constraint.skip_validation
    if (!isCheck && subtype !== 'O') return
    const name = typeKey(path(typeName))
    const domain = moment.catalog.types.get(name)
    const users = [...moment.catalog.tables].filter(
      ([key, { columns }]) =>
        !moment.isNew(key) && [...columns.values()].some(({ type }) => type.replace('[]', '') === name),
    )
    if (domain && (isNewObject(domain.position, moment) || users.length === 0)) return
    const tables = users.map(([key]) => `'${key}'`).join(', ')
    yield {
      object: name,
      message: `writers of ${tables || `every table that uses '${name}'`} wait while all values of '${name}' are checked`,
      ...(isCheck ? { edit: { start: start + text.length, end: start + text.length, text: ' not valid' } } : {}),
    }
  },
}
