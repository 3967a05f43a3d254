import type { Location } from './location.ts'
import type { ProcessCall, ProcessMessage } from './writer-process.ts'
import { Writer, type WriterOptions } from './writer.ts'

const asked = new Map<number, (location: Location) => void>()
let questions = 0

const writer = new Writer({
  ...(JSON.parse(process.argv[2] as string) as Omit<WriterOptions, 'route'>),
  route: (service) =>
    new Promise((resolve) => {
      const id = ++questions
      asked.set(id, resolve)
      post({ kind: 'route', id, service })
    }),
})

process.on('message', (message: ProcessCall) => {
  if (message.kind === 'call') void answer(message)
  else {
    asked.get(message.id)?.(message.location)
    asked.delete(message.id)
  }
})
// nobody is left to write for
process.on('disconnect', () => process.exit())
post({ kind: 'ready' })

async function answer({ id, method, args }: ProcessCall & { kind: 'call' }): Promise<void> {
  try {
    const work = writer[method as 'report'] as (...args: unknown[]) => unknown
    post({ kind: 'answer', id, value: await work.apply(writer, [...args]) })
  } catch (error) {
    post({ kind: 'answer', id, error: error as Error })
  }
}

function post(message: ProcessMessage): void {
  process.send?.(message)
}
