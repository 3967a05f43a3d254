import type { UnknownEffect } from '../../catalog/model.ts'

/** Statements that change what is there and bring nothing new. */
const CHANGES = /^(alter|rename|drop|owner|reassign|set schema|columns|types) /

/** Whether a statement whose effect cannot be told may have made something of this name: it says the name, or makes up names. */
export function mayCreate(effect: UnknownEffect, name: string): boolean {
  if (CHANGES.test(effect.reason)) return false
  const { words } = read(effect)
  return words.has(name) || words.has('execute')
}

/** Whether it may have changed a table, a function or what is in a schema: a call names what it works on in its arguments. */
export function mayHaveTouched(effect: UnknownEffect, schema: string, name: string): boolean {
  const { words, literals } = read(effect)
  if (effect.reason.startsWith('call of '))
    return literals.has(schema) || literals.has(name) || literals.has(`${schema}.${name}`)
  return words.has(name) || words.has('execute')
}

/** Whether an argument of a call names what a name begins with: extensions call an index of a table `<table>_time_idx`. */
export function namesBeginOf(effect: UnknownEffect, name: string): boolean {
  return [...read(effect).literals].some((literal) => name.startsWith(literal.slice(literal.lastIndexOf('.') + 1)))
}

interface Read {
  readonly words: ReadonlySet<string>
  readonly literals: ReadonlySet<string>
}

const known = new WeakMap<UnknownEffect, Read>()

function read(effect: UnknownEffect): Read {
  const before = known.get(effect)
  if (before) return before
  const words = effect.text.match(/[\p{L}\p{N}_$]+/gu) ?? []
  const own = {
    words: new Set(words.flatMap((word) => [word, word.toLowerCase()])),
    literals: new Set(effect.text.match(/(?<=')[^']+(?=')/g)),
  }
  known.set(effect, own)
  return own
}
