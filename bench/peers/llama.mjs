// Runs llama.cpp at another program's word: a line of JSON in, a line of JSON out.
import readline from "node:readline";
import {getLlama} from "node-llama-cpp";

const output = process.stdout;
// Whatever the libraries print must not come between the answers.
console.log = console.info = (...text) => console.error(...text);

let llama, model, context;
let sequences = [];

/** Seconds by the clock and of processors. */
async function measure(run) {
    const start = performance.now(), cpu = process.cpuUsage();
    await run();
    const used = process.cpuUsage(cpu);
    return {wall: (performance.now() - start) / 1e3, cpu: (used.user + used.system) / 1e6};
}

/** Greedy tokens after a prompt; the end of a sequence is one like any other. */
async function generate(sequence, prompt, count, onToken) {
    const tokens = [];
    if (count === 0) return tokens;
    for await (const token of sequence.evaluate(prompt, {temperature: 0, yieldEogToken: true})) {
        tokens.push(token);
        onToken?.(tokens.length);
        if (tokens.length >= count) break;
    }
    return tokens;
}

const now = () => ({wall: performance.now() / 1e3, cpu: (usage => (usage.user + usage.system) / 1e6)(process.cpuUsage())});

const operations = {
    async load({path, threads, streams = 1, contextSize, batchSize = 512, exact = false}) {
        llama ??= await getLlama({gpu: false, build: "never", logLevel: "error", maxThreads: threads});
        await unload();
        const cache = exact ? {experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32", flashAttention: false} : {};
        model = await llama.loadModel({modelPath: path});
        context = await model.createContext({contextSize, sequences: streams, threads: {ideal: threads, min: threads}, batchSize, ...cache});
        sequences = Array.from({length: streams}, () => context.getSequence());
        return {system: llama.systemInfo};
    },

    /** Prompts, one after the other. */
    async generate({prompts, count}) {
        const tokens = [];
        for (const prompt of prompts) {
            await sequences[0].clearHistory();
            tokens.push(await generate(sequences[0], prompt, count));
        }
        return {tokens};
    },

    async tokenize({texts}) {
        return {tokens: texts.map(text => Array.from(model.tokenize(text, true)))};
    },

    /** All streams at a time: from the step that gave the last of them its second token to the one that ends the first. */
    async decode({prompts, count}) {
        let running = 0, total = 0, start, end;
        const onToken = tokens => {
            total++;
            if (tokens === 2 && ++running === prompts.length) start = {...now(), total};
            if (tokens === count && !end) end = {...now(), total};
        };
        await Promise.all(prompts.map(async (prompt, i) => {
            await sequences[i].clearHistory();
            await generate(sequences[i], prompt, count, onToken);
        }));
        return {tokens: end.total - start.total, wall: end.wall - start.wall, cpu: end.cpu - start.cpu};
    },

    /** A prompt and its first token. */
    async prefill({prompt}) {
        await sequences[0].clearHistory();
        return measure(() => generate(sequences[0], prompt, 1));
    },

    async unload() {
        await unload();
        return {};
    },
};

async function unload() {
    await context?.dispose();
    await model?.dispose();
    context = model = undefined;
}

for await (const line of readline.createInterface({input: process.stdin})) {
    let answer;
    try {
        const {operation, ...values} = JSON.parse(line);
        answer = await operations[operation](values);
    } catch (error) {
        answer = {error: String(error?.message ?? error)};
    }
    output.write(JSON.stringify(answer) + "\n");
}
process.exit(0);
