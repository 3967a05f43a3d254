import { parseSourceType, typeFamily } from '../../types/source-type.ts'
import type { SharedColumn, SharedTable } from '../../model.ts'

/** ICU collations under which the same texts are equal as in MariaDB; all in schema public. */
const locales = {
  mariadb_ai_ci: 'und-u-ks-level1',
  mariadb_as_ci: 'und-u-ks-level2',
  mariadb_ai_cs: 'und-u-ks-level1-kc-true',
} as const

export type CollationName = keyof typeof locales

export const qualifiedCollation = (name: CollationName): string => `public.${name}`

/** Statements that make the collations which some SQL mentions. */
export function createCollations(sql: string): string[] {
  return (Object.keys(locales) as CollationName[])
    .filter((name) => sql.includes(qualifiedCollation(name)))
    .map(
      (name) =>
        `create collation if not exists ${qualifiedCollation(name)} (provider = icu, locale = '${locales[name]}', deterministic = false);\n`,
    )
}

/**
 * What stands for a collation of MariaDB; null when equal texts are the same texts. Where a name says nothing of accents
 * they do not count. Arabic vowel signs and hamza count in `general_ci` and not here: equal is never less than there.
 */
export function equalityOf(collation: string | null): CollationName | null {
  if (collation === null || /_(bin|as_cs)$|^binary$/.test(collation)) return null
  if (collation.endsWith('_as_ci')) return 'mariadb_as_ci'
  if (collation.endsWith('_ai_cs')) return 'mariadb_ai_cs'
  return /_ci(_|$)/.test(collation) ? 'mariadb_ai_ci' : null
}

/** Of a column in a key or an index: of others only comparisons in queries would notice, and LIKE would suffer. */
export function collationOf(
  table: SharedTable,
  key: readonly string[],
  { name, type, collation }: SharedColumn,
): CollationName | null {
  if (typeFamily(parseSourceType(type)) !== 'text') return null
  const isLookedUp =
    key.includes(name) ||
    table.indexes.some(({ columns, kind }) => kind === undefined && columns.includes(name)) ||
    table.foreignKeys.some(({ columns }) => columns.includes(name))
  return isLookedUp ? equalityOf(collation) : null
}
