import type { Part, Plan, PlannedStatement, PlanSection } from '../plan/plan.ts'
import { keysInTables } from './keys-in-tables.ts'
import { needsLateBodies } from './late-bodies.ts'
import { NotRepeatableError } from './not-repeatable-error.ts'
import { guardedConstraint } from './repeatable-alter-table.ts'
import { doBlock, type GuardedStatement, type Repeatable } from './repeatable-text.ts'
import { repeatable } from './repeatable.ts'

export interface BundleOptions {
  /** First line of the script. Default: names the modules. */
  readonly title?: string
  /** Command that builds the script again, named in its head. */
  readonly command?: string
}

/**
 * A plan as one script that can be run once or many times with the same result, in one transaction or as one message.
 * The same plan gives the same bytes.
 *
 * @throws NotRepeatableError naming file and line of every statement that would not survive a second run.
 */
export function bundleModules(plan: Plan, options: BundleOptions = {}): string {
  const problems: string[] = []
  const parts: string[] = [head(plan, options)]
  let part: Part | null = null
  let module = ''
  for (const section of keysInTables(plan).sections) {
    if (section.part !== part) parts.push(banner(section.part))
    if (section.part !== part || section.module !== module) parts.push(`-- ${section.module}: ${section.part}\n`)
    parts.push(section.part === 'foreign keys' ? foreignKeys(section, problems) : statements(section, problems))
    part = section.part
    module = section.module
  }
  if (problems.length > 0) throw new NotRepeatableError(problems)
  return parts.join('\n')
}

function head(plan: Plan, { title, command = 'imhotep bundle' }: BundleOptions): string {
  const names = plan.modules.map((module) => module.name).join(', ')
  const width = Math.max(0, ...plan.modules.map((module) => module.name.length))
  const lines = [
    title ?? `Schema of ${names}.`,
    '',
    `Built from the modules by \`${command}\`. Do not edit: change a module and build again.`,
    'Repeatable: a second run changes nothing. One transaction: psql -1 -f, or one simple query.',
    '',
    'Order: foundations (schemas, roles, types, functions that tables need), tables with their foreign keys to tables above',
    'them, all other foreign keys, functions, views, grants; in each part the modules in the order in which they need each other:',
    ...plan.modules.map((module) => `  ${module.name.padEnd(width)}  ${module.purpose}`),
  ]
  const comment = lines.map((line) => `-- ${line}`.trimEnd()).join('\n')
  const settings = ['set local client_min_messages = warning;']
  if (needsLateBodies(plan)) settings.push('set local check_function_bodies = off;')
  return `${comment}\n\n${settings.join('\n')}\n`
}

function banner(part: Part): string {
  const line = `-- ${'='.repeat(117)}`
  return `\n${line}\n-- ${part.toUpperCase()}\n${line}\n`
}

function statements(section: PlanSection, problems: string[]): string {
  return section.statements
    .map((statement, n) => {
      const result = textOf(repeatable(statement), section, statement, problems)
      return surround(statement, `${result};`, n === 0)
    })
    .join('')
}

/** The keys of one file share a DO block: one guard each, one message to the server. */
function foreignKeys(section: PlanSection, problems: string[]): string {
  const guards: GuardedStatement[] = []
  let others = ''
  for (const statement of section.statements) {
    const guard =
      'AlterTableStmt' in statement.node ? guardedConstraint(statement, statement.node.AlterTableStmt) : null
    if (guard) guards.push({ ...guard, text: withComment(statement) })
    else others += surround(statement, `${textOf(repeatable(statement), section, statement, problems)};`, false)
  }
  return guards.length > 0 ? `${doBlock(guards)};\n${others}` : others
}

function withComment({ leading, text }: PlannedStatement): string {
  return leading ? `${leading.replaceAll('\n', '\n    ')}\n    ${text}` : text
}

function textOf(result: Repeatable, section: PlanSection, statement: PlannedStatement, problems: string[]): string {
  if ('text' in result) return result.text
  problems.push(`${section.file}:${statement.line}: ${result.refused}; ${result.instead}`)
  return ''
}

function surround({ leading, trailing, spaced }: PlannedStatement, text: string, first: boolean): string {
  return `${spaced && !first ? '\n' : ''}${leading ? `${leading}\n` : ''}${text}${trailing ? ` ${trailing}` : ''}\n`
}
