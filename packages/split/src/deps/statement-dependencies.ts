import { fingerprint, withoutValues } from './sql/fingerprint.ts'
import type { Collector } from './collector.ts'
import type { Names, ResolvedUses } from './names.ts'

/** A statement that somebody sent. */
export interface SeenStatement {
  readonly text: string
  /** `file:line` or `digest ...`. */
  readonly evidence: string
  readonly count: number
  readonly lastSeen: Date | null
  /** Why the text is not all that was sent. */
  readonly doubt?: string
}

const LONGEST = 160
const isNoUse =
  /^\s*(create|alter|drop|grant|revoke|comment|set|show|explain|use|analyze|vacuum|commit|rollback|begin|start)\b/i
/** What such statements use stands in a string: it is one of the values. */
const holdsNames = /\b(prepare|execute|regclass)\b/i

/** Statements of statistics and logs. Their values are left out of everything that is reported. */
export async function addStatements(
  statements: AsyncIterable<SeenStatement> | Iterable<SeenStatement>,
  names: Names,
  collector: Collector,
): Promise<void> {
  // an application sends few statements, again and again
  const known = new Map<string, ResolvedUses>()
  for await (const { text, evidence, count, lastSeen, doubt } of statements) {
    collector.looked('statements')
    if (isNoUse.test(text)) continue
    const plain = withoutValues(text, names.dialect)
    const uses = known.get(plain) ?? names.usesOf(text)
    if (!holdsNames.test(plain)) known.set(plain, uses)
    const doubts = doubt === undefined ? uses.doubts : [...new Set([...uses.doubts, doubt])]
    collector.addUses('statement', objectOf(plain, doubts), { ...uses, doubts }, { evidence, count, lastSeen })
  }
}

/** The statement without its values; only its fingerprint when it may be torn in the middle of one. */
function objectOf(plain: string, doubts: readonly string[]): string {
  if (doubts.length > 0) return `statement ${fingerprint(plain)}`
  return `${plain.length > LONGEST ? `${plain.slice(0, LONGEST)}...` : plain} [${fingerprint(plain)}]`
}
