import { quoteLiteral } from '../bundle/quote.ts'
import type { Catalog } from '../catalog/model.ts'
import { qualified } from '../print/sql-text.ts'
import { outside, type DiffStatement } from './diff-statement.ts'

/**
 * A new value of an enum cannot be used in the transaction that adds it. Where a statement does, the values of the type are
 * added in front of all others, by themselves.
 */
export function putNewValuesFirst(statements: readonly DiffStatement[], right: Catalog): DiffStatement[] {
  const early = new Set<DiffStatement>()
  for (const [key, type] of right.types) {
    const name = qualified(type)
    const adding = statements.filter(
      ({ object, sql }) => object === `type ${key}` && sql.startsWith(`alter type ${name} add value `),
    )
    const added = type.labels.filter((label) =>
      adding.some(({ sql }) => sql.startsWith(`alter type ${name} add value ${quoteLiteral(label)}`)),
    )
    const isUsed = statements.some(
      (own) => !adding.includes(own) && own.sql.includes(`::${name}`) && added.some((label) => own.sql.includes(label)),
    )
    if (isUsed) for (const own of adding) early.add(own)
  }
  return [...[...early].map(outside), ...statements.filter((own) => !early.has(own))]
}

/** The statements that run before the transaction, in it, and behind it. */
export function inThreeParts(
  statements: readonly DiffStatement[],
): Record<'first' | 'inside' | 'last', DiffStatement[]> {
  const inside = statements.filter((own) => !own.outside)
  const start = statements.findIndex((own) => !own.outside)
  const isFirst = (n: number) => start > 0 && n < start
  const others = (wanted: boolean) => statements.filter((own, n) => own.outside === true && isFirst(n) === wanted)
  return { first: others(true), inside, last: others(false) }
}
