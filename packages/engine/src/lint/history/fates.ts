import type { ParsedStatement } from '../../parse/parse-sql.ts'
import type { Moment } from '../rule.ts'
import { columnUsesOf } from './column-uses.ts'
import { fateOf, type Fate } from './fate.ts'
import { partUsesOf } from './part-uses.ts'
import { usesOf, type Use } from './uses.ts'

export interface Fated<State extends Fate['state'] = Fate['state']> {
  readonly use: Use
  readonly fate: Extract<Fate, { state: State }>
}

const known = new WeakMap<ParsedStatement, readonly Fated[]>()

/** What a statement needs, each name once, with what has become of it: worked out once for all rules. */
export function fatesOf<State extends Fate['state']>(
  statement: ParsedStatement,
  moment: Moment,
  ...states: State[]
): Fated<State>[] {
  let all = known.get(statement)
  if (!all) {
    const uses = new Map<string, Use>()
    for (const use of [...usesOf(statement), ...columnUsesOf(statement), ...partUsesOf(statement)]) {
      const key = `${use.kind} ${use.name}`
      if (!uses.has(key)) uses.set(key, use)
    }
    all = [...uses.values()].map((use) => ({ use, fate: fateOf(use, statement, moment) }))
    known.set(statement, all)
  }
  return all.filter((own) => (states as string[]).includes(own.fate.state)) as unknown as Fated<State>[]
}

/** `table a.b`, `column a.b.c`: the name as a message says it. */
export function say({ kind, name }: Use): string {
  return kind === 'relation' ? `'${name}'` : `${kind} '${name}'`
}
