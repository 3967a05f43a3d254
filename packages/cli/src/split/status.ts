import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { UsageError } from '@imhotep/base'
import { readStatus, statusPage, type Split, type SplitStatus } from '@imhotep/split'
import type { Context } from '../context.ts'
import { printStatus } from '../output/split.ts'
import { allowListOf } from './dependencies.ts'

const everyMs = 1_000

/** The dashboard once, or with `--watch` again and again until Ctrl-C; the last one is the answer. */
export async function splitStatus(context: Context, split: Split): Promise<SplitStatus> {
  const { options, cwd, signal } = context
  const list = allowListOf(context)
  const html = options.text('html')
  if (options.flag('watch') && options.flag('json')) {
    throw new UsageError('--watch speaks to people, --json to programs', { hint: 'leave one of them away' })
  }
  if (options.flag('watch')) context.progress('every second, until Ctrl-C')
  for (;;) {
    const status = await readStatus(split, list)
    if (html !== undefined) writeFileSync(resolve(cwd, html), await statusPage(status))
    if (!options.flag('watch') || signal.aborted) return status
    context.show((page) => {
      page.line(status.at.toISOString())
      printStatus(status, page)
    })
    await pause(everyMs, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return status
  }
}
