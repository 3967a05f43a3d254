// Sums up what other processes wrote with NODE_V8_COVERAGE: run with --experimental-test-coverage, node adds the files that
// lie in its own coverage directory at its end.
import assert from 'node:assert/strict'
import { copyFile, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

test('coverage: processes wrote which lines they ran', async () => {
  const [, , written = ''] = process.argv
  const own = process.env['NODE_V8_COVERAGE'] ?? ''

  const files = await readdir(written)
  let complete = 0
  for (const file of files) {
    if (!(await isComplete(join(written, file)))) continue
    await copyFile(join(written, file), join(own, file))
    complete++
  }

  console.log(`${complete} of ${files.length} processes`)
  assert.ok(complete > 0.9 * files.length, 'more than a tenth of the processes wrote half a file')
})

/** A process that a test killed while it wrote leaves half a file, for which node would give up all others. */
async function isComplete(file: string): Promise<boolean> {
  try {
    JSON.parse(await readFile(file, 'utf8'))
    return true
  } catch {
    return false
  }
}
