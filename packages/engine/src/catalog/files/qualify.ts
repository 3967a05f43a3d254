import { quoteIdentifier } from '../../bundle/quote.ts'
import { applyEdits, nameParts, usesOfText, type Edit } from './edit-text.ts'
import { DEFAULT_SCHEMA, type Fold } from './fold.ts'
import { hasRelation, hasRoutine } from './names.ts'
import type { TextKind } from './stored.ts'
import type { Use } from './uses.ts'

/**
 * A text whose names mean the same under every search path: names that the search path of the file finds in the catalog
 * get their schema, stars become columns.
 */
export function qualify(fold: Fold, kind: TextKind, text: string, table: string | null = null): string {
  const isPlain = fold.searchPath.every((schema) => schema === DEFAULT_SCHEMA)
  if (isPlain && !(kind === 'query' && text.includes('*'))) return text
  const uses = usesOfText(fold, kind, text, table)
  return uses
    ? applyEdits(
        text,
        uses.flatMap((use) => qualifyUse(fold, use, text)),
      )
    : text
}

function qualifyUse(fold: Fold, use: Use, text: string): Edit[] {
  if (use.kind === 'star') return expandStar(use, text)
  if (use.kind === 'column' || use.kind === 'shared' || !isKnown(fold, use)) return []
  const schema = use.key.slice(0, use.key.indexOf('.'))
  if (use.kind === 'quoted') {
    const start = text.indexOf("'", use.at) + 1
    return use.text.includes('.') ? [] : [{ start, end: start, text: `${schema}.` }]
  }
  if (use.names.length > 1) return []
  const [part] = nameParts(text, use.at)
  return part ? [{ start: part.start, end: part.start, text: `${quoteIdentifier(schema)}.` }] : []
}

function isKnown({ catalog }: Fold, { kind, key }: Extract<Use, { key: string }>): boolean {
  if (kind === 'routine') return hasRoutine(catalog, key)
  return kind === 'type' ? catalog.types.has(key) || catalog.tables.has(key) : hasRelation(catalog, key)
}

function expandStar(use: Extract<Use, { kind: 'star' }>, text: string): Edit[] {
  if (!use.columns) return []
  const star = text.indexOf('*', use.at)
  if (star < 0 || use.columns.length === 0) return []
  const names = use.columns.map(({ qualifier, name }) =>
    qualifier === null ? quoteIdentifier(name) : `${quoteIdentifier(qualifier)}.${quoteIdentifier(name)}`,
  )
  return [{ start: use.at, end: star + 1, text: names.join(', ') }]
}
