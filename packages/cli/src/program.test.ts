import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commands } from './commands/index.ts'
import { createProgram, type Call } from './program.ts'

async function parse(argv: string[]): Promise<{ text: string; call: Call | undefined }> {
  let text = ''
  let call: Call | undefined
  const program = createProgram(commands, {
    version: '0',
    write: (piece) => (text += piece),
    onCall: async (made) => void (call = made),
  })
  await program.parseAsync(argv, { from: 'user' }).catch((error: { exitCode: number }) => {
    if (error.exitCode !== 0) throw error
  })
  return { text, call }
}

for (const { name, summary, description, examples } of commands) {
  test(`imhotep ${name} --help: shows its common options and every example`, async () => {
    const { text } = await parse([name, '--help'])

    for (const option of ['--json', '--url', '--verbose']) assert.ok(text.includes(option), option)
    for (const { run, does } of examples) assert.ok(text.includes(run) && text.includes(does), run)
    assert.ok(examples.length >= 2 && description.length > summary.length)
  })
}

test('createProgram: gives options by name, --no-x as off', async () => {
  const { call } = await parse(['up', '--no-demo', '--environment', 'test'])

  assert.equal(call?.command.name, 'up')
  assert.equal(call.options.off('demo'), true)
  assert.equal(call.options.text('environment'), 'test')
})

test('createProgram: an option that is given more than once is a list', async () => {
  const { call } = await parse(['migrate', '--placeholder', 'a=1', '--placeholder', 'b=2'])

  assert.deepEqual(call?.options.list('placeholder'), ['a=1', 'b=2'])
})

test('createProgram: refuses a value that is not among the choices', async () => {
  await assert.rejects(parse(['up', '--postgres', '9']), /Allowed choices are 15, 16, 17, 18/)
})
