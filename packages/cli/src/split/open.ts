import { resolve } from 'node:path'
import { UsageError } from '@imhotep/base'
import { Split } from '@imhotep/split'
import type { Context } from '../context.ts'
import type { Target } from '../target/target.ts'

/** Opens the split that the options and the environment speak of, and closes it at the end. */
export async function withSplit<T>(context: Context, work: (split: Split, target: Target) => Promise<T>): Promise<T> {
  const { options, cwd, signal } = context
  const split = await Split.open({
    sourceUrl: needed(context, 'source', 'IMHOTEP_SPLIT_SOURCE', 'mysql://user:password@host/database'),
    targetUrl: needed(context, 'target', 'IMHOTEP_SPLIT_TARGET', 'postgres://superuser:password@host/postgres'),
    schemaDirectory: resolve(cwd, options.text('schemas') ?? 'db/services'),
    envDirectory: resolve(cwd, options.text('env') ?? 'services'),
    options: {
      ...(options.text('maxWait') !== undefined && { maxWaitSeconds: positive(options.text('maxWait'), '--max-wait') }),
      ...(options.text('maxGap') !== undefined && { maxGapSeconds: positive(options.text('maxGap'), '--max-gap') }),
      ...(options.text('chunk') !== undefined && { chunkRows: positive(options.text('chunk'), '--chunk') }),
    },
    signal,
    say: context.progress,
  })
  try {
    const [host = '', database = ''] = split.source.side.label.split('/')
    const target = { host, database, environment: null }
    context.announce(target)
    return await work(split, target)
  } finally {
    await split.close()
  }
}

function needed(context: Context, option: string, variable: string, example: string): string {
  const value = context.options.text(option) ?? context.env[variable]
  if (value === undefined || value === '') {
    throw new UsageError(`no ${option} database is named`, { hint: `set ${variable} (or --${option}) to ${example}` })
  }
  return value
}

export function positive(text: string | undefined, option: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value <= 0) {
    throw new UsageError(`${option} is '${text}'`, { hint: 'give a whole number above 0' })
  }
  return value
}
