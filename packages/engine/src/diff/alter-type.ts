import { quoteIdentifier, quoteLiteral } from '../bundle/quote.ts'
import type { Catalog, Sequence, UserType } from '../catalog/model.ts'
import { lowerCase, qualified } from '../print/sql-text.ts'
import type { Changes } from './changes.ts'
import type { DiffOptions } from './diff-catalogs.ts'
import { byHand, statement, type DiffStatement } from './diff-statement.ts'
import { validation } from './validation.ts'

/** A type that both sides have. */
export function alterType(
  changes: Changes,
  catalogs: { left: Catalog; right: Catalog },
  key: string,
  options: DiffOptions,
): DiffStatement[] {
  const before = catalogs.left.types.get(key)
  const after = catalogs.right.types.get(key)
  const object = `type ${key}`
  const changed = changes.properties(object)
  if (!before || !after || changed.size === 0) return []
  if (changed.has('kind')) return [byHand(object, `it is a ${before.kind}, and should be a ${after.kind}`)]
  if (changed.has('base') || changed.has('collation'))
    return [byHand(object, 'its base changes: make a new type and move the columns to it')]
  return [
    ...(changed.has('labels') ? changeLabels(object, before, after) : []),
    ...(changed.has('attributes') ? changeAttributes(object, before, after) : []),
    ...changeDomain(object, changed, before, after, options),
  ]
}

/** New labels only; PostgreSQL cannot take one away or move it. */
function changeLabels(object: string, before: UserType, after: UserType): DiffStatement[] {
  const kept = after.labels.filter((label) => before.labels.includes(label))
  if (kept.join('\0') !== before.labels.join('\0')) {
    const gone = before.labels.filter((label) => !after.labels.includes(label))
    const what = gone.length > 0 ? `loses ${gone.map(quoteLiteral).join(', ')}` : 'has its values in another order'
    return [byHand(object, `it ${what}: make a new type and move the columns to it`)]
  }
  return after.labels.flatMap((label, n) => {
    if (before.labels.includes(label)) return []
    const previous = after.labels[n - 1]
    const next = after.labels[n + 1]
    const place =
      previous !== undefined
        ? ` after ${quoteLiteral(previous)}`
        : next === undefined
          ? ''
          : ` before ${quoteLiteral(kept[0] ?? next)}`
    return statement(object, `alter type ${qualified(after)} add value ${quoteLiteral(label)}${place}`)
  })
}

function changeAttributes(object: string, before: UserType, after: UserType): DiffStatement[] {
  const name = `alter type ${qualified(after)}`
  const old = new Map(before.attributes.map((attribute) => [attribute.name, attribute]))
  const names = new Set(after.attributes.map((attribute) => attribute.name))
  const kept = before.attributes.filter((attribute) => names.has(attribute.name)).map((attribute) => attribute.name)
  const added = after.attributes.filter((attribute) => !old.has(attribute.name)).map((attribute) => attribute.name)
  if ([...kept, ...added].join('\0') !== [...names].join('\0'))
    return [byHand(object, 'its fields stand in another order')]
  return [
    ...before.attributes
      .filter((attribute) => !names.has(attribute.name))
      .map((attribute) =>
        statement(
          object,
          `${name} drop attribute ${quoteIdentifier(attribute.name)}`,
          'data loss',
          'the field of every value is lost',
        ),
      ),
    ...after.attributes.flatMap((attribute) => {
      const own = old.get(attribute.name)
      if (!own) return statement(object, `${name} add attribute ${quoteIdentifier(attribute.name)} ${attribute.type}`)
      if (own.type === attribute.type) return []
      return statement(
        object,
        `${name} alter attribute ${quoteIdentifier(attribute.name)} type ${attribute.type}`,
        'needs a person',
        'refused while a column has this type',
      )
    }),
  ]
}

function changeDomain(
  object: string,
  changed: ReadonlySet<string>,
  before: UserType,
  after: UserType,
  options: DiffOptions,
): DiffStatement[] {
  const name = `alter domain ${qualified(after)}`
  const found: DiffStatement[] = []
  if (changed.has('default'))
    found.push(
      statement(
        object,
        after.default === null ? `${name} drop default` : `${name} set default ${lowerCase(after.default)}`,
      ),
    )
  if (changed.has('notNull')) {
    found.push(
      after.notNull
        ? statement(object, `${name} set not null`, 'locks', 'all columns of the type are looked at')
        : statement(object, `${name} drop not null`),
    )
  }
  if (changed.has('checks')) {
    const text = (check: UserType['checks'][number]) => JSON.stringify([check.name, check.definition])
    const gone = before.checks.filter((check) => !after.checks.some((own) => text(own) === text(check)))
    const added = after.checks.filter((check) => !before.checks.some((own) => text(own) === text(check)))
    found.push(...gone.map((check) => statement(object, `${name} drop constraint ${quoteIdentifier(check.name)}`)))
    for (const check of added) {
      const clause = `add constraint ${quoteIdentifier(check.name)} ${lowerCase(check.definition).replace(/ not valid$/, '')}`
      found.push(statement(object, `${name} ${clause} not valid`))
      const validate = `${name} validate constraint ${quoteIdentifier(check.name)}`
      if (check.validated) found.push(validation(object, validate, options))
    }
  }
  return found
}

/** A sequence that both sides have; to whom it belongs comes with the owners. */
export function alterSequence(
  changes: Changes,
  { left, right }: { left: Catalog; right: Catalog },
  key: string,
): DiffStatement[] {
  const sequence = right.sequences.get(key)
  const before = left.sequences.get(key)
  const object = `sequence ${key}`
  const changed = ['type', 'start', 'increment', 'minimum', 'maximum', 'cache', 'cycle'].filter((property) =>
    changes.properties(object).has(property),
  )
  if (!sequence || !before || changed.length === 0) return []
  const sql = `alter sequence ${qualified(sequence)} ${allOptions(sequence)}`
  const isNarrower =
    BigInt(sequence.minimum) > BigInt(before.minimum) || BigInt(sequence.maximum) < BigInt(before.maximum)
  if (!isNarrower) return [statement(object, sql)]
  return [statement(object, sql, 'needs a person', 'refused when the number it has reached lies outside: add restart')]
}

function allOptions({ type, increment, minimum, maximum, start, cache, cycle }: Sequence): string {
  return `as ${type} increment by ${increment} minvalue ${minimum} maxvalue ${maximum} start with ${start} cache ${cache} ${cycle ? 'cycle' : 'no cycle'}`
}
