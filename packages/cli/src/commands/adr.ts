import { existsSync, readdirSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import {
  decisionFile,
  nextNumber,
  STATUSES,
  tableSizes,
  tablesOf,
  writeDecision,
  type Decision,
  type DecisionStatus,
  type DiffFacts,
  type FindingFacts,
  type TableSize,
} from '@imhotep/engine'
import { defineCommand, type Outcome } from '../command.ts'
import type { Context } from '../context.ts'
import { findFinding } from '../decision/find-finding.ts'
import { DecisionInputError } from '../errors.ts'
import { printAdr, type AdrData } from '../output/adr.ts'
import { replaceFile } from '../project/bundle-project.ts'
import { compareSides, sideName } from '../sides/compare-sides.ts'
import { SIDES } from '../sides/find-side.ts'
import { serverOption } from '../sides/with-scratch-server.ts'
import { withTarget } from '../target/open-target.ts'
import type { Target } from '../target/target.ts'

export const adr = defineCommand<AdrData>({
  name: 'adr',
  summary: 'write a record of a decision, filled from facts',
  description:
    'Makes the next numbered record in docs/decisions: context, decision and consequences, filled from the statements and hazards ' +
    'of imhotep diff, or from what a finding of imhotep lint says (its effect, both ends, the ways out). With --url also the sizes ' +
    'of the tables that it is about. Nothing is made up: what is not known is left to a person. Without --write it is printed.',
  arguments: [{ name: '<title>', description: 'what was decided, in a few words' }],
  options: [
    { flags: '--from-diff <sides...>', description: `two of: ${SIDES}` },
    { flags: '--from-finding <place>', description: 'rule@file:line, as imhotep lint prints them' },
    { flags: '--status <status>', description: 'default: proposed', choices: STATUSES },
    { flags: '--directory <dir>', description: 'where the records are (default: docs/decisions)' },
    { flags: '--write', description: 'write the file' },
    serverOption,
  ],
  examples: [
    { run: 'imhotep adr "Keys are UUIDs"', does: 'print an empty record' },
    { run: 'imhotep adr "Lines know their order" --from-diff migrations modules', does: 'print a record of a change' },
    {
      run: 'imhotep adr "The index waits" --from-finding index-not-concurrent@db/migration/V007__x.sql:3',
      does: 'print a record of a finding',
    },
    { run: 'imhotep adr "Keys are UUIDs" --status accepted --write', does: 'write the next file of docs/decisions' },
  ],
  printsDocument: (options) => !options.flag('write'),
  run: runAdr,
  print: printAdr,
})

async function runAdr(context: Context): Promise<Outcome<AdrData>> {
  const { cwd, args, options } = context
  const title = (args[0] ?? '').trim()
  if (title === '' || /[\n\r]/.test(title))
    throw new DecisionInputError(title, 'is not a title', 'give it in a few words')
  const directory = resolve(cwd, options.text('directory') ?? 'docs/decisions')
  const found = await readFacts(context)
  const { target, tables } = await sizesOf(context, found ? objectsOf(found) : [])

  const status = (options.text('status') ?? 'proposed') as DecisionStatus
  const number = nextNumber(existsSync(directory) ? readdirSync(directory) : [])
  const decision: Decision = { number, title, status, facts: found && { ...found, tables } }
  const file = join(directory, decisionFile(decision))
  const text = writeDecision(decision)
  const write = options.flag('write')
  if (write) replaceFile(file, text)
  const data = { number, file: relative(cwd, file), status, written: write, text }
  return { ok: true, target, data }
}

type FactsWithoutSizes = Omit<DiffFacts, 'tables'> | Omit<FindingFacts, 'tables'>

async function readFacts(context: Context): Promise<FactsWithoutSizes | null> {
  const { cwd, options } = context
  const [place, sides] = [options.text('fromFinding'), options.list('fromDiff')]
  if (place !== undefined && sides.length > 0) {
    throw new DecisionInputError(place, 'and a diff are two things', 'give one of --from-finding and --from-diff')
  }
  if (place !== undefined) return findFinding(place, cwd)
  const [left, right, ...more] = sides
  if (left === undefined) return null
  if (right === undefined || more.length > 0) {
    throw new DecisionInputError(
      sides.join(' '),
      'is not two schemas',
      'write it as: imhotep adr TITLE --from-diff A B',
    )
  }
  const statements = await compareSides(context, [left, right], { concurrently: true })
  return { kind: 'diff', left: sideName(left), right: sideName(right), statements }
}

function objectsOf(facts: FactsWithoutSizes): string[] {
  if (facts.kind === 'diff') return facts.statements.map(({ object }) => object)
  return facts.finding.object === null ? [] : [facts.finding.object]
}

/** Only of a database that was named: a record must not depend on what happens to run here. */
async function sizesOf(
  context: Context,
  objects: readonly string[],
): Promise<{ target: Target | null; tables: readonly TableSize[] }> {
  if (context.options.text('url') === undefined) return { target: null, tables: [] }
  return withTarget(context, async ({ db, target }) => ({ target, tables: await tableSizes(db, tablesOf(objects)) }))
}
