import { existsSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { UsageError } from '@imhotep/base'
import { diffScript, inThreeParts, type DiffStatement } from '@imhotep/engine'
import { defineCommand, type Outcome } from '../command.ts'
import type { Context } from '../context.ts'
import { DataLossError, FileError } from '../errors.ts'
import { printDiff, type DiffData } from '../output/diff.ts'
import { replaceFile } from '../project/bundle-project.ts'
import { findProject } from '../project/project.ts'
import { compareSides, sideName } from '../sides/compare-sides.ts'
import { SIDES } from '../sides/find-side.ts'
import { serverOption } from '../sides/with-scratch-server.ts'

export const diff = defineCommand<DiffData>({
  name: 'diff',
  summary: 'the statements that turn one schema into another',
  description:
    `A and B are each one of: ${SIDES}. Files run on a scratch server, so that PostgreSQL itself says what they make. ` +
    'The statements turn A into B, in an order that works, and say what they do to those who use the database: locks, ' +
    'rewrites, data loss, breaks clients, needs a person. Renames are not guessed. Exit code 1 when the two differ.',
  arguments: [
    { name: '<a>', description: 'what is there' },
    { name: '<b>', description: 'what should be there' },
  ],
  options: [
    { flags: '--sql', description: 'print the statements alone, as a script' },
    {
      flags: '--write <name>',
      description:
        'write them as the next migration, V00N__<name>.sql; what cannot be in one transaction as one of its own behind it, new values of enums that it uses as one before it',
    },
    { flags: '--allow-data-loss', description: 'with --write: also when rows or columns would be lost' },
    {
      flags: '--no-concurrently',
      description: 'build indexes under a lock, so that everything fits into one transaction',
    },
    serverOption,
  ],
  examples: [
    { run: 'imhotep diff migrations modules', does: 'what the next migration must do' },
    {
      run: 'imhotep diff migrations modules --write add_wards',
      does: 'write it as db/migration/V00N__add_wards.sql, and V00N__add_wards_no_transaction.sql where needed',
    },
    { run: 'imhotep diff dump:old.sql modules --sql', does: 'from an export of pg_dump to the modules' },
    { run: 'imhotep diff database modules --json', does: 'the database of DATABASE_URL against the modules' },
  ],
  printsDocument: (options) => options.flag('sql'),
  run: async (context) => {
    const [a = '', b = ''] = context.args
    checkName(context.options.text('write'))
    const concurrently = !context.options.off('concurrently')
    const statements = await compareSides(context, [a, b], { concurrently })
    return outcomeOf(context, a, b, statements)
  },
  print: printDiff,
})

function outcomeOf(
  context: Context,
  left: string,
  right: string,
  statements: readonly DiffStatement[],
): Outcome<DiffData> {
  const name = context.options.text('write')
  const isWritten = name !== undefined && statements.length > 0
  const written = isWritten ? writeNext(context, name, statements) : {}
  return {
    ok: statements.length === 0,
    target: null,
    data: {
      left: sideName(left),
      right: sideName(right),
      statements,
      fileBefore: written.first ?? null,
      file: written.main ?? null,
      fileOutside: written.last ?? null,
      sql: context.options.flag('sql'),
    },
  }
}

function checkName(name: string | undefined): void {
  if (name === undefined || /^\w[\w-]*$/.test(name)) return
  throw new UsageError(`'${name}' is no name for a migration`, { hint: 'use letters, digits and _: add_wards' })
}

/** The next free versions of the project's migrations: one for what can be a transaction, one for what cannot. */
function writeNext({ cwd, options }: Context, name: string, statements: readonly DiffStatement[]): Written {
  const losses = statements.filter(({ hazard }) => hazard === 'data loss')
  if (losses.length > 0 && !options.flag('allowDataLoss')) throw new DataLossError(losses.map(({ object }) => object))
  const { migrations } = findProject(cwd)
  const versions = existsSync(migrations)
    ? readdirSync(migrations).map((file) => Number(/^[VB]?(\d+)_/.exec(file)?.[1] ?? 0))
    : []
  const next = Math.max(0, ...versions) + 1
  const files = scripts(name, statements).map((script, n) => ({
    path: join(migrations, `V${String(next + n).padStart(3, '0')}__${script.name}.sql`),
    text: script.text,
    part: script.part,
  }))
  const taken = files.find(({ path }) => existsSync(path))
  if (taken) throw new FileError(`'${taken.path}' exists`, 'choose another name')
  for (const { path, text } of files) replaceFile(path, text)
  return Object.fromEntries(files.map(({ part, path }) => [part, relative(cwd, path)]))
}

/** The files that were written, by what is in them. */
type Written = { readonly [part in Part]?: string }
type Part = 'first' | 'main' | 'last'

/** What begins so is run statement by statement, also when none of them is concurrent. */
const NO_TRANSACTION = '-- imhotep:no-transaction\n'

function scripts(name: string, statements: readonly DiffStatement[]): { part: Part; name: string; text: string }[] {
  const { first, inside, last } = inThreeParts(statements)
  const outside = NO_TRANSACTION + diffScript(last)
  if (inside.length === 0) return [{ part: 'main', name, text: outside }]
  return [
    // Committed before they are used.
    ...(first.length > 0 ? [{ part: 'first' as const, name: `${name}_values`, text: diffScript(first) }] : []),
    { part: 'main', name, text: diffScript(inside) },
    ...(last.length > 0 ? [{ part: 'last' as const, name: `${name}_no_transaction`, text: outside }] : []),
  ]
}
