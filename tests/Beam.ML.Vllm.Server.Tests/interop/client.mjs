// One case of calls with OpenAI's client: node client.mjs BASE_URL CASE. Prints the result as JSON.
import OpenAI from "openai";

const [baseURL, name] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "secret", maxRetries: 0 });
const model = "tiny-gemma";
const question = "What is the capital of France?";
const messages = [{ role: "user", content: question }];
const tools = [{ type: "function", function: { name: "capital", parameters: { type: "object", properties: { country: { type: "string" } } } } }];

async function read(stream, piece) {
  let text = "", usage = null, finish = null, chunks = 0;
  for await (const chunk of stream) {
    chunks++;
    usage = chunk.usage ?? usage;
    for (const choice of chunk.choices) {
      text += piece(choice) ?? "";
      finish = choice.finish_reason ?? finish;
    }
  }
  return { text, usage, finish, chunks };
}

const cases = {
  models: async () => (await client.models.list()).data.map((m) => m.id),
  model: async () => (await client.models.retrieve(model)).id,
  completion: async () => {
    const c = await client.completions.create({ model, prompt: question, max_tokens: 64, temperature: 0 });
    return { text: c.choices[0].text, finish: c.choices[0].finish_reason, usage: c.usage };
  },
  completionStream: async () =>
    read(await client.completions.create({ model, prompt: question, max_tokens: 64, temperature: 0, stream: true, stream_options: { include_usage: true } }), (c) => c.text),
  chat: async () => {
    const c = await client.chat.completions.create({ model, messages, temperature: 0 });
    return { text: c.choices[0].message.content, role: c.choices[0].message.role, finish: c.choices[0].finish_reason };
  },
  chatStream: async () =>
    read(await client.chat.completions.create({ model, messages, temperature: 0, stream: true, stream_options: { include_usage: true } }), (c) => c.delta.content),
  // The client's own assembly of a stream, which is stricter than reading it.
  chatRunner: async () => {
    const c = await client.chat.completions.stream({ model, messages, temperature: 0 }).finalChatCompletion();
    return { text: c.choices[0].message.content, role: c.choices[0].message.role };
  },
  logprobs: async () => {
    const c = await client.completions.create({ model, prompt: question, max_tokens: 4, temperature: 0, logprobs: 2 });
    const chat = await client.chat.completions.create({ model, messages, max_completion_tokens: 4, temperature: 0, logprobs: true, top_logprobs: 2 });
    return { completion: c.choices[0].logprobs, chat: chat.choices[0].logprobs };
  },
  several: async () => {
    const c = await client.chat.completions.create({ model, messages, n: 3, temperature: 1, seed: 1, max_completion_tokens: 8 });
    return c.choices.map((choice) => choice.index);
  },
  tools: async () => {
    const chat_template =
      "{{ '<bos>' }}<start_of_turn>user\n{{ messages[0].content }}<end_of_turn>\n<start_of_turn>model{{ '\\n' }}";
    const c = await client.chat.completions.create({ model, messages, tools, temperature: 0, chat_template });
    return { text: c.choices[0].message.content };
  },
  namedTool: async () => {
    const tool_choice = { type: "function", function: { name: "capital" } };
    const c = await client.chat.completions.create({ model, messages, tools, tool_choice, temperature: 0, max_completion_tokens: 64 });
    return c.choices[0].message.tool_calls[0].function;
  },
  jsonSchema: async () => {
    const schema = { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"], additionalProperties: false };
    const c = await client.chat.completions.create({ model, messages, temperature: 0, max_completion_tokens: 64, response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict: true } } });
    return JSON.parse(c.choices[0].message.content);
  },
  embeddings: async () => {
    const one = await client.embeddings.create({ model, input: [question, "Hello"], encoding_format: "float" });
    // The client asks for base64 by itself and decodes it.
    const other = await client.embeddings.create({ model, input: question });
    return { count: one.data.length, float: one.data[0].embedding, base64: Array.from(other.data[0].embedding) };
  },
  error: async () => {
    try {
      await client.chat.completions.create({ model: "other", messages });
    } catch (e) {
      return { kind: e.constructor.name, status: e.status, code: e.code, param: e.param, message: e.message };
    }
  },
  abort: async () => {
    const stream = await client.completions.create({ model, prompt: Array(32).fill(question), max_tokens: 1000, ignore_eos: true, stream: true });
    for await (const chunk of stream) { stream.controller.abort(); break; }
    return "left";
  },
};

console.log(JSON.stringify(await cases[name]()));
