import { Document, isMap, isScalar, isSeq, LineCounter, parseDocument, type YAMLMap } from 'yaml'
import type { Findings } from '../dependency.ts'
import { describe, judge, type AllowEntry, type AllowList } from './allow-list.ts'
import { AllowListError } from './errors.ts'

/**
 * Reads an allow-list.
 * @throws AllowListError with every entry that is not complete
 */
export function readAllowList(text: string, file: string): AllowList {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const [broken] = document.errors
  if (broken) throw new AllowListError(file, [`${broken.linePos?.[0].line ?? 1}: not YAML`])
  const list = document.get('allowed')
  if (!isSeq(list)) throw new AllowListError(file, ["1: it has no list 'allowed'"])

  const problems: string[] = []
  const seen = new Set<string>()
  const entries = list.items.map((item): AllowEntry => {
    const line = lines.linePos((item as YAMLMap).range?.[0] ?? 0).line
    const word = (name: string) => {
      const value: unknown = isMap(item) ? item.get(name, true) : undefined
      const text = isScalar(value) ? (value.source ?? '').trim() : ''
      if (text === '') problems.push(`${line}: an entry lacks '${name}'`)
      return text
    }
    const entry = { id: word('id'), what: word('what'), issue: word('issue'), reason: word('reason'), line }
    if (seen.has(entry.id)) problems.push(`${line}: ${entry.id} stands there twice`)
    seen.add(entry.id)
    return entry
  })
  if (problems.length > 0) throw new AllowListError(file, problems)
  return { file, entries }
}

/** The first list of a team: all that is open today. Afterwards it can only shrink. */
export function startAllowList(findings: Findings, plan: { readonly issue: string; readonly reason: string }): string {
  const { refused, refusedUnknown, refusedLoopCalls } = judge(findings, null)
  const document = new Document({
    allowed: [...refused, ...refusedUnknown, ...refusedLoopCalls].map((finding) => ({
      id: finding.id,
      what: describe(finding),
      ...plan,
    })),
  })
  document.commentBefore =
    ' Dependencies between services that still exist. This list only shrinks: nothing new is accepted.'
  return document.toString({ lineWidth: 0 })
}

/** The same file without the entries whose dependency is gone; comments stay. */
export function shrinkAllowList(text: string, findings: Findings): string {
  const { stale } = judge(findings, readAllowList(text, 'allow-list'))
  const gone = new Set(stale.map(({ id }) => id))
  const document = parseDocument(text)
  const list = document.get('allowed')
  if (gone.size === 0 || !isSeq(list)) return text
  list.items = list.items.filter(
    (item) => !(isMap(item) && gone.has(String((item.get('id', true) as { source?: string }).source))),
  )
  return document.toString({ lineWidth: 0 })
}
