// Commands from a test or a bench: JSON lines `{id, command, values}` on stdin, each answered by a line `{id, value}` or
// `{id, error}` on stdout.
import readline from "node:readline";

/** Says `first`, then does what is asked until the input ends. */
export async function serve(first, commands) {
  console.log(JSON.stringify(first));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { id, command, values } = JSON.parse(line);
    Promise.resolve()
      .then(() => commands[command](...values))
      .then(
        (value) => console.log(JSON.stringify({ id, value: value ?? null })),
        (error) => console.log(JSON.stringify({ id, error: error.message })),
      );
  }
}
