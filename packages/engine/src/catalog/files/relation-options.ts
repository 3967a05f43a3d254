import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'

/** WITH (..) as PostgreSQL keeps it: `name=value`, sorted. */
export function relationOptions(options: Node[] | undefined): string[] {
  return (options ?? []).flatMap((option) => ('DefElem' in option ? optionText(option.DefElem) : [])).toSorted()
}

type DefElem = Extract<Node, { DefElem: unknown }>['DefElem']

function optionText({ defnamespace, defname = '', arg }: DefElem): string {
  return `${defnamespace ? `${defnamespace}.` : ''}${defname}=${optionValue(arg)}`
}

function optionValue(arg: Node | undefined): string {
  if (!arg) return 'true'
  if ('TypeName' in arg) return path(arg.TypeName.names).at(-1) ?? ''
  const [content] = Object.values(arg) as { sval?: string; ival?: number; fval?: string; boolval?: boolean }[]
  return String(content?.sval ?? content?.fval ?? content?.boolval ?? content?.ival ?? 0)
}

/** ALTER .. SET (..) and RESET (..). */
export function changeOptions(before: string[], changes: Node[] | undefined, isReset: boolean): string[] {
  const added = relationOptions(changes)
  const names = new Set(added.map(optionName))
  const kept = before.filter((option) => !names.has(optionName(option)))
  return (isReset ? kept : [...kept, ...added]).toSorted()
}

function optionName(option: string): string {
  return option.slice(0, option.indexOf('='))
}
