import { path } from '../../parse/references.ts'
import { walkTree } from '../../parse/walk.ts'
import { relationName, type Fold } from './fold.ts'
import { qualified } from './types.ts'

/** Tables, views and functions of the catalog that a query names, sorted. */
export function viewDependencies({ catalog }: Fold, query: unknown): string[] {
  const found = new Set<string>()
  walkTree([query], (tag, content) => {
    if (tag === 'RangeVar') {
      const { key } = relationName(content)
      if (catalog.tables.has(key) || catalog.views.has(key)) found.add(key)
    }
    if (tag === 'FuncCall') {
      const key = qualified(path(content['funcname'])).join('.')
      if (isFunction(catalog.functions.keys(), key)) found.add(key)
    }
  })
  return [...found].toSorted()
}

function isFunction(keys: Iterable<string>, name: string): boolean {
  for (const key of keys) if (key.startsWith(`${name}(`)) return true
  return false
}
