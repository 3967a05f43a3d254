import type { ParsedStatement } from '../parse/parse-sql.ts'
import type { SqlSyntaxError } from '../parse/syntax-error.ts'
import { neededNames } from './needed-names.ts'
import { PHASES, type Phase, type UnplacedObject } from './printed-object.ts'

export interface ParsedObject {
  readonly object: UnplacedObject
  readonly statements: readonly ParsedStatement[]
  readonly errors: readonly SqlSyntaxError[]
}

/**
 * Puts objects into an order in which each finds what it names: phase by phase, what somebody needs earlier is pulled
 * ahead. The order inside a phase is kept. A circle is left as it stands: PostgreSQL has none among what is printed whole.
 */
export function orderObjects(objects: readonly ParsedObject[]): ParsedObject[] {
  const definers = new Map<string, ParsedObject[]>()
  for (const own of objects) {
    for (const name of own.object.defines) definers.set(name, [...(definers.get(name) ?? []), own])
  }
  const needs = new Map(objects.map((own) => [own, neededObjects(own, definers)]))
  const rank = (own: ParsedObject) => PHASES.indexOf(phaseOf(own, needs))
  const ordered: ParsedObject[] = []
  const seen = new Set<ParsedObject>()
  const place = (own: ParsedObject) => {
    if (seen.has(own)) return
    seen.add(own)
    for (const needed of needs.get(own) ?? []) place(needed)
    ordered.push(own)
  }
  const ranks = new Map(objects.map((own) => [own, rank(own)]))
  for (const own of objects.toSorted((a, b) => (ranks.get(a) ?? 0) - (ranks.get(b) ?? 0))) place(own)
  return ordered
}

function neededObjects({ object, statements }: ParsedObject, definers: Map<string, ParsedObject[]>): ParsedObject[] {
  // Grants, comments and the like stand behind everything: nobody has to look where.
  if (PHASES.indexOf(object.phase) > PHASES.indexOf('view indexes')) return []
  const names = new Set(object.needs)
  for (const { node } of statements) for (const name of neededNames(node)) names.add(name)
  for (const name of object.defines) names.delete(name)
  return [...names].flatMap((name) => definers.get(name) ?? [])
}

/** A function over the rows of a table or view waits for it, instead of pulling it ahead. */
function phaseOf(own: ParsedObject, needs: Map<ParsedObject, ParsedObject[]>, depth = 0): Phase {
  const { phase } = own.object
  if (phase !== 'functions' || depth > 50) return phase
  const waits = (needs.get(own) ?? []).some((needed) => {
    const other = phaseOf(needed, needs, depth + 1)
    return other === 'tables' || other === 'views' || other === 'late functions'
  })
  return waits ? 'late functions' : phase
}
