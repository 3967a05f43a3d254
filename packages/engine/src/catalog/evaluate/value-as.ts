import type { Fold } from '../files/fold.ts'
import { typeNamed } from '../files/names.ts'
import { UNDECIDED, type Known } from './env.ts'
import { splitName } from './refs.ts'
import { arrayOf, isRow, Undecidable } from './value.ts'

/** What a variable of PL/pgSQL holds when it is given a value, by its type as declared. */
export function valueAs(fold: Fold, type: string, value: Known): Known {
  if (value === null || value === UNDECIDED) return value
  if (type.endsWith('[]')) return typeof value === 'string' ? arrayOrUndecided(value) : value
  const { key } = typeNamed(fold, splitName(type.replace(/%rowtype$/i, '')))
  const base = fold.catalog.types.get(key)?.base
  if (base) return valueAs(fold, base, value)
  const names = fieldNames(fold, key)
  if (!names) return value
  if (!isRow(value)) return UNDECIDED
  const values = [...value.row.values()]
  return { row: new Map(names.map((name, n) => [name, values[n] ?? null])) }
}

function fieldNames({ catalog }: Fold, key: string): string[] | null {
  const type = catalog.types.get(key)
  if (type?.kind === 'composite') return type.attributes.map(({ name }) => name)
  const columns = catalog.tables.get(key)?.columns
  return columns ? [...columns.keys()] : (catalog.views.get(key)?.columns ?? null)
}

function arrayOrUndecided(text: string): Known {
  try {
    return arrayOf(text)
  } catch (error) {
    if (error instanceof Undecidable) return UNDECIDED
    throw error
  }
}
