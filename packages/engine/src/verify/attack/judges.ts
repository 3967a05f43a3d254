import { refused, through, untested, type Outcome, type Verdict } from './attempt.ts'

/** Reading rows that are not ours. `present` is how many there are to be found. */
export function judgeRead(present: number, what = 'of the other tenant'): (outcomes: readonly Outcome[]) => Verdict {
  return ([outcome]) => {
    if (!outcome) return untested('not run')
    if (isRefusal(outcome)) return refused
    if (outcome.state === '22012') return through(`a predicate ran on rows ${what}`)
    if (outcome.state !== '00000') return untested(`stopped by ${outcome.state}`)
    if (outcome.rows > 0) return through(`${outcome.rows} rows ${what} read`)
    return present > 0 ? refused : untested('no rows to attack')
  }
}

/** Writing with triggers and foreign keys silenced: everything but a refusal, or no row at all, is through. */
export function judgePolicy(present: number, allowed = 0): (outcomes: readonly Outcome[]) => Verdict {
  return ([outcome]) => {
    if (!outcome) return untested('not run')
    if (isRefusal(outcome)) return refused
    if (outcome.state.startsWith('23')) return through(`the policy let the row pass, ${outcome.state} came later`)
    if (outcome.state !== '00000') return untested(`stopped by ${outcome.state}`)
    if (outcome.rows > allowed) return through(`${outcome.rows - allowed} rows written`)
    return present > 0 ? refused : untested('no rows to attack')
  }
}

/** Writing to all rows: a constraint may stop at a row of our own. */
export function judgeBlind(present: number, own: number): (outcomes: readonly Outcome[]) => Verdict {
  return (outcomes) => {
    const state = outcomes[0]?.state ?? ''
    return own > 0 && state.startsWith('23') ? untested(`stopped by ${state}`) : judgePolicy(present, own)(outcomes)
  }
}

/** Writing as an application does, triggers and keys in force: any error is a refusal. */
export function judgeWrite(present: number): (outcomes: readonly Outcome[]) => Verdict {
  return ([outcome]) => {
    if (!outcome) return untested('not run')
    if (outcome.state !== '00000') return refused
    if (outcome.rows > 0) return through(`${outcome.rows} rows written`)
    return present > 0 ? refused : untested('no rows to attack')
  }
}

/** A command that must not be possible at all. */
export function judgeCommand([outcome]: readonly Outcome[]): Verdict {
  if (!outcome) return untested('not run')
  return outcome.state === '00000' ? through('the command went through') : refused
}

/**
 * Steps come in pairs: the first names a row of the other tenant, the second a row that exists nowhere. Both must end
 * alike, and in at least one pair it must be the key itself (or a check of the reference) that says no.
 * `otherKeys` are the table's other foreign keys.
 */
export function judgeReference(otherKeys: readonly string[]): (outcomes: readonly Outcome[]) => Verdict {
  return (outcomes) => {
    let isProven = false
    let reason = 'no rows to attack'
    for (let index = 0; index + 1 < outcomes.length; index += 2) {
      const [victim, unknown] = outcomes.slice(index, index + 2) as [Outcome, Outcome]
      if (victim.state === '00000' && victim.rows > 0) return through('a row now points to the other tenant')
      if (victim.state === '00000') continue
      if (victim.state !== unknown.state || victim.constraint !== unknown.constraint) {
        return through(`tells a row of the other tenant (${end(victim)}) from an unknown one (${end(unknown)})`)
      }
      const byKey = victim.state === '23503' && !otherKeys.includes(victim.constraint)
      if (byKey || victim.state === '42501' || victim.state === 'IM005') isProven = true
      else reason = `stopped by ${end(victim)}`
    }
    return isProven ? refused : untested(reason)
  }
}

function end(outcome: Outcome): string {
  return [outcome.state, outcome.constraint].filter((part) => part !== '').join(' ')
}

/** A new tenant's row that holds the values of another tenant's: a collision is with a row that it must not know of. */
export function judgeUnique([outcome]: readonly Outcome[]): Verdict {
  if (!outcome) return untested('not run')
  if (outcome.state !== '23505' && outcome.state !== '23P01') return refused
  return through(`key ${outcome.constraint} tells that a value exists`)
}

/** PostgreSQL said no to the object or the row; a 42501 from elsewhere (a function in a default) proves nothing. */
function isRefusal(outcome: Outcome): boolean {
  return outcome.state === '42501' && (outcome.refusedBy === 'policy' || outcome.refusedBy === 'privilege')
}
