import type { Catalog } from '../catalog/model.ts'
import { quoteKey } from '../print/sql-text.ts'
import type { Changes } from './changes.ts'
import { byHand, type DiffStatement } from './diff-statement.ts'

/** Foreign keys whose triggers fire on one side only. Their names are the server's own, so no statement names them. */
export function switchedOff(changes: Changes, left: Catalog, right: Catalog): DiffStatement[] {
  return [...right.tables].flatMap(([key, table]) =>
    [...table.constraints.values()].flatMap(({ name, disabledOn }) => {
      const object = `constraint ${name} on ${key}`
      if (!changes.properties(object).has('disabledOn')) return []
      const before = left.tables.get(key)?.constraints.get(name)?.disabledOn
      const wayOut = (disabledOn ?? before ?? []).map((table) => `alter table ${quoteKey(table)} enable trigger all`)
      const state = disabledOn ? 'nobody enforces it, its triggers are switched off' : 'its triggers are to fire again'
      return byHand(object, `${state}: ${wayOut.join('; ')}`)
    }),
  )
}
