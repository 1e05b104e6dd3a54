// The test service on @grpc/grpc-js, in both roles:
//   node peer.js <proto> serve                 prints "listening <port>" and serves until its stdin closes
//   node peer.js <proto> call <target> <case>  makes the calls of one case; prints "ok", or the reason and exits 1
'use strict';
const assert = require('node:assert');
const path = require('node:path');
const modules = process.env.INTEROP_MODULES;
const grpc = require(path.join(modules, '@grpc/grpc-js'));
const loader = require(path.join(modules, '@grpc/proto-loader'));

const [proto, role, target, name] = process.argv.slice(2);
const definition = loader.loadSync(proto, { keepCase: true, longs: Number, defaults: true });
const { Interop } = grpc.loadPackageDefinition(definition).beam.rpc.tests;
const unlimited = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };

function replyTo(ask, index) {
  return { text: ask.text, total: ask.payload.length, index, payload: Buffer.alloc(ask.reply_size) };
}

// The x-* metadata of the request: as headers, and under other names as trailers.
function echo(metadata) {
  const headers = new grpc.Metadata(), trailers = new grpc.Metadata();
  for (const key of Object.keys(metadata.getMap()).filter(k => k.startsWith('x-'))) {
    for (const value of metadata.get(key)) {
      headers.add(key, value);
      trailers.add(key.endsWith('-bin') ? key.replace('-bin', '-trailer-bin') : key + '-trailer', value);
    }
  }
  return { headers, trailers };
}

function serve() {
  const server = new grpc.Server(unlimited);
  server.addService(Interop.service, {
    Unary(call, callback) {
      const { headers, trailers } = echo(call.metadata);
      if (Object.keys(headers.getMap()).length > 0) call.sendMetadata(headers);
      const ask = call.request;
      if (ask.hang) { call.on('cancelled', () => console.log('cancelled')); return; }
      if (ask.fail_code) callback({ code: ask.fail_code, details: ask.fail_message }, null, trailers);
      else callback(null, replyTo(ask, 0), trailers);
    },
    Collect(call, callback) {
      let total = 0, index = 0;
      call.on('data', ask => { total += ask.payload.length; index++; });
      call.on('end', () => callback(null, { total, index }));
    },
    async Expand(call) {
      const ask = call.request;
      for (let i = 0; i < ask.count && !call.cancelled; i++) {
        if (!call.write(replyTo(ask, i))) await new Promise(resolve => call.once('drain', resolve));
      }
      if (ask.fail_code) call.emit('error', { code: ask.fail_code, details: ask.fail_message });
      else if (!ask.hang) call.end();
    },
    Chat(call) {
      let i = 0;
      call.on('data', ask => {
        if (ask.fail_code) call.emit('error', { code: ask.fail_code, details: ask.fail_message });
        else call.write(replyTo(ask, i++));
      });
      call.on('end', () => call.end());
    },
  });
  server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    console.log(`listening ${port}`);
  });
  process.stdin.on('end', () => process.exit(0)).resume();
}

const client = options => new Interop(target, grpc.credentials.createInsecure(), { ...unlimited, ...options });

function unary(c, ask, metadata = new grpc.Metadata(), options = {}) {
  return new Promise(resolve => {
    const seen = {};
    seen.call = c.Unary(ask, metadata, options, (error, reply) => { seen.error = error; seen.reply = reply; });
    seen.call.on('metadata', m => { seen.headers = m; });
    seen.call.on('status', s => { seen.status = s; resolve(seen); });
  });
}

function drain(stream) {
  return new Promise(resolve => {
    const replies = [];
    stream.on('data', r => replies.push(r));
    stream.on('error', error => resolve({ replies, error }));
    stream.on('end', () => resolve({ replies }));
  });
}

const cases = {
  async unary() {
    const { reply } = await unary(client(), { text: 'hello', payload: Buffer.from([1, 2, 3]) });
    assert.deepStrictEqual([reply.text, reply.total], ['hello', 3]);
  },
  async client_streaming() {
    const c = client();
    const reply = await new Promise((resolve, reject) => {
      const call = c.Collect((error, r) => error ? reject(error) : resolve(r));
      for (let i = 0; i < 100; i++) call.write({ payload: Buffer.alloc(i) });
      call.end();
    });
    assert.deepStrictEqual([reply.total, reply.index], [4950, 100]);
  },
  async server_streaming() {
    const { replies } = await drain(client().Expand({ count: 1000, reply_size: 100 }));
    assert.deepStrictEqual(replies.map(r => r.index), Array.from({ length: 1000 }, (_, i) => i));
  },
  async bidirectional_streaming() {
    const call = client().Chat();
    for (let i = 0; i < 50; i++) {
      call.write({ text: `m${i}` });
      const reply = await new Promise(resolve => call.once('data', resolve));
      assert.strictEqual(reply.text, `m${i}`);
    }
    const end = drain(call);
    call.end();
    assert.strictEqual((await end).error, undefined);
  },
  async metadata() {
    const bytes = Buffer.from([0, 255, 128, 10, 13]);
    const metadata = new grpc.Metadata();
    metadata.set('x-text', 'plain text');
    metadata.add('x-bytes-bin', bytes);
    metadata.add('x-bytes-bin', Buffer.from('second'));
    const { headers, status } = await unary(client(), {}, metadata);
    assert.deepStrictEqual(headers.get('x-text'), ['plain text']);
    assert.deepStrictEqual(headers.get('x-bytes-bin'), [bytes, Buffer.from('second')]);
    assert.deepStrictEqual(status.metadata.get('x-text-trailer'), ['plain text']);
    assert.deepStrictEqual(status.metadata.get('x-bytes-trailer-bin'), [bytes, Buffer.from('second')]);
  },
  async status_message() {
    const message = '100 % größer\n改行 🚀 %41';
    const { status } = await unary(client(), { fail_code: grpc.status.FAILED_PRECONDITION, fail_message: message });
    assert.deepStrictEqual([status.code, status.details], [grpc.status.FAILED_PRECONDITION, message]);
  },
  async status_after_messages() {
    const { replies, error } = await drain(client().Expand({ count: 3, fail_code: grpc.status.DATA_LOSS, fail_message: 'später' }));
    assert.deepStrictEqual([replies.length, error.code, error.details], [3, grpc.status.DATA_LOSS, 'später']);
  },
  async gzip() {
    const c = client({ 'grpc.default_compression_algorithm': 2 });
    const { reply } = await unary(c, { text: 'squeezed', payload: Buffer.alloc(100000), reply_size: 100000 });
    assert.deepStrictEqual([reply.text, reply.total, reply.payload.length], ['squeezed', 100000, 100000]);
  },
  async message_of_64_mib() {
    const size = 64 << 20;
    const { reply } = await unary(client(), { payload: Buffer.alloc(size), reply_size: size });
    assert.deepStrictEqual([reply.total, reply.payload.length], [size, size]);
  },
  async thousand_streams() {
    const c = client();
    await unary(c, {});
    const calls = Array.from({ length: 1000 }, () => c.Chat());
    await Promise.all(calls.map(async (call, i) => {
      call.write({ text: `${i}` });
      const reply = await new Promise(resolve => call.once('data', resolve));
      assert.strictEqual(reply.text, `${i}`);
    }));
    await Promise.all(calls.map(call => { const end = drain(call); call.end(); return end; }));
  },
  async cancelled() {
    const call = client().Unary({ hang: true }, () => { });
    const status = new Promise(resolve => call.on('status', resolve));
    setImmediate(() => call.cancel());
    assert.strictEqual((await status).code, grpc.status.CANCELLED);
  },
  async cancelled_stream() {
    const call = client().Chat();
    call.write({ text: 'a' });
    await new Promise(resolve => call.once('data', resolve));
    call.write({ hang: true });
    const end = drain(call);
    call.cancel();
    assert.strictEqual((await end).error.code, grpc.status.CANCELLED);
  },
  async deadline() {
    const { status } = await unary(client(), { hang: true }, new grpc.Metadata(), { deadline: Date.now() + 200 });
    assert.strictEqual(status.code, grpc.status.DEADLINE_EXCEEDED);
  },
  async unimplemented() {
    const error = await new Promise(resolve => client().Missing({}, resolve));
    assert.strictEqual(error.code, grpc.status.UNIMPLEMENTED);
  },
  async over_the_limit() {
    const { status } = await unary(client(), { payload: Buffer.alloc(5 << 20) });
    assert.strictEqual(status.code, grpc.status.RESOURCE_EXHAUSTED);
  },
  // The server is killed as soon as this says that the stream runs.
  async server_dies() {
    const call = client().Chat();
    call.write({ text: 'a' });
    await new Promise(resolve => call.once('data', resolve));
    const end = drain(call);
    console.log('streaming');
    assert.strictEqual((await end).error.code, grpc.status.UNAVAILABLE);
  },
};

if (role === 'serve') serve();
else {
  cases[name]().then(
    () => { console.log('ok'); process.exit(0); },
    error => { console.log(error.stack ?? error); process.exit(1); });
}
