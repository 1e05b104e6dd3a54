// Runs Hugging Face's tokenizers at another program's word: a line of JSON in, a line of JSON out.
import fs from "node:fs";
import readline from "node:readline";
import {Tokenizer} from "@anush008/tokenizers";

let tokenizer;

async function measure(run) {
    const start = performance.now(), cpu = process.cpuUsage();
    const result = await run();
    const used = process.cpuUsage(cpu);
    return {...result, wall: (performance.now() - start) / 1e3, cpu: (used.user + used.system) / 1e6};
}

const operations = {
    load: ({path}) => measure(async () => {
        tokenizer = Tokenizer.fromFile(path);
    }),

    /** Texts, one after the other; the sum of their ids says whether others made the same of them. */
    encode: ({path}) => {
        const texts = JSON.parse(fs.readFileSync(path, "utf8"));
        return measure(async () => {
            let tokens = 0, sum = 0;
            for (const text of texts) {
                const ids = (await tokenizer.encode(text)).getIds();
                tokens += ids.length;
                for (const id of ids) sum += id;
            }
            return {tokens, sum};
        });
    },
};

for await (const line of readline.createInterface({input: process.stdin})) {
    let answer;
    try {
        const {operation, ...values} = JSON.parse(line);
        answer = await operations[operation](values);
    } catch (error) {
        answer = {error: String(error?.message ?? error)};
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
}
process.exit(0);
