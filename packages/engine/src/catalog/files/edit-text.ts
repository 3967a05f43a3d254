import { quoteIdentifier } from '../../bundle/quote.ts'
import { byteOffsets } from '../../parse/offsets.ts'
import { parseRaw } from '../../parse/parser.ts'
import type { Span } from '../../parse/split-sql.ts'
import type { Fold } from './fold.ts'
import type { Stored, TextKind } from './stored.ts'
import { usesIn, type Use } from './uses.ts'

/** What stands around a text when it is parsed. */
const WRAPPERS: Record<TextKind, [before: string, behind: string]> = {
  expression: ['select ', ''],
  query: ['', ''],
  statement: ['', ''],
  constraint: ['alter table t add ', ''],
  arguments: ['create function f(', ") returns void language sql as ''"],
  body: ['create function f() returns void ', ''],
  'partition key': ['create table t () partition by ', ''],
  bound: ['create table p partition of t ', ''],
}

/** Uses of other objects in a text of the catalog, located in that text; null when it does not parse. */
export function usesOfText(fold: Fold, kind: TextKind, text: string, table: string | null): Use[] | null {
  const [before, behind] = WRAPPERS[kind]
  const whole = before + text + behind
  const parsed = parseRaw(whole)
  if (!Array.isArray(parsed)) return null
  const toUnits = byteOffsets(whole)
  const isInside = (own: Use) => own.kind === 'shared' || own.at >= before.length
  return parsed
    .flatMap(({ node }) => usesIn(fold, node, table))
    .map((own) => (own.kind === 'shared' ? own : { ...own, at: toUnits(own.at) }))
    .filter(isInside)
    .map((own) => (own.kind === 'shared' ? own : { ...own, at: own.at - before.length }))
}

export interface Edit extends Span {
  readonly text: string
}

/** Rewrites texts: `edit` says what becomes of each use. */
export function editTexts(
  fold: Fold,
  texts: Iterable<Stored>,
  edit: (use: Use, text: string, stored: Stored) => Edit[],
): void {
  for (const stored of texts) {
    const uses = usesOfText(fold, stored.kind, stored.text, stored.table)
    if (!uses) continue
    const edits = uses.flatMap((use) => edit(use, stored.text, stored))
    if (edits.length > 0) stored.set(applyEdits(stored.text, edits))
  }
}

export function applyEdits(text: string, edits: readonly Edit[]): string {
  let result = text
  let last = Infinity
  for (const edit of edits.toSorted((a, b) => b.start - a.start || b.end - a.end)) {
    // The same place may be found twice (a query that is read for its names too).
    if (edit.end > last || (edit.start === last && edit.end === last)) continue
    result = result.slice(0, edit.start) + edit.text + result.slice(edit.end)
    last = edit.start
  }
  return result
}

const PART = /\s*("(?:[^"]|"")*"|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)/y
const DOT = /\s*\./y

/** The spans of the parts of a dotted name at an offset. */
export function nameParts(text: string, at: number): Span[] {
  const spans: Span[] = []
  for (let from = at; ;) {
    PART.lastIndex = from
    const match = PART.exec(text)
    if (!match) return spans
    const end = PART.lastIndex
    spans.push({ start: end - (match[1] ?? '').length, end })
    DOT.lastIndex = end
    if (!DOT.test(text)) return spans
    from = DOT.lastIndex
  }
}

/** Puts another name in the place of the one that starts at an offset; without schema where there was none, unless it moves. */
export function replaceName(
  text: string,
  use: { at: number; names: string[] },
  schema: string | null,
  name: string,
): Edit[] {
  const parts = nameParts(text, use.at).slice(0, use.names.length)
  const [first, last] = [parts[0], parts.at(-1)]
  if (!first || !last) return []
  const prefix = schema === null ? '' : `${quoteIdentifier(schema)}.`
  return [{ start: first.start, end: last.end, text: prefix + quoteIdentifier(name) }]
}
