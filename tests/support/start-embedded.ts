// Starts an embedded server as the JSON on the command line says, prints what came of it, and stays until it is killed.
import { startEmbedded, type EmbeddedOptions } from '@imhotep/postgres'

const options = JSON.parse(process.argv[2] ?? '{}') as EmbeddedOptions
try {
  const { pid, port, adopted, created } = await startEmbedded(options)
  console.log(JSON.stringify({ pid, port, adopted, created }))
} catch (error) {
  const { code, message } = error as { code?: string; message: string }
  console.log(JSON.stringify({ code, message }))
}
setInterval(() => undefined, 60_000)
