import { cancel, recover, revertService, run, Split, type Ledger } from '@imhotep/split'
import type { Job, MoverMessage } from './mover.ts'

const job = JSON.parse(process.argv[2] as string) as Job

try {
  const split = await Split.open({
    ...job.settings,
    options: { chunkRows: 100, maxWaitSeconds: 120 },
    signal: new AbortController().signal,
    say: () => {},
  })
  tellSteps(split.ledger)
  await carryOut(split)
  const { state } = await split.ledger.read(job.service)
  await split.close()
  end({ kind: 'done', state })
} catch (error) {
  const { code, message, stack } = error as Error & { code?: string }
  end({ kind: 'failed', code: code ?? 'none', message, stack: stack ?? '' })
}

async function carryOut(split: Split): Promise<void> {
  if (job.action === 'revert') {
    await revertService(split, job.service)
    return
  }
  if (job.action === 'cancel') await split.ledger.lock(job.service)
  const move = await split.moveOf(job.service)
  post({ kind: 'step', step: 'begin' })
  if (job.action === 'cancel') await cancel(move, await recover(move))
  else await (await run(move, 'reversible')).reverse?.stop()
}

/** Whoever waits to kill this process or a server hears of every change of state, before and after. */
function tellSteps(ledger: Ledger): void {
  const advance = ledger.advance.bind(ledger)
  ledger.advance = async (entry, to, detail) => {
    post({ kind: 'step', step: `before ${to}` })
    const next = await advance(entry, to, detail)
    post({ kind: 'step', step: `after ${to}` })
    return next
  }
}

function post(message: MoverMessage): void {
  process.send?.(message)
}

function end(message: MoverMessage): void {
  process.send?.(message, () => process.exit())
}
