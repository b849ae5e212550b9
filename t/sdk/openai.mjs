// The official OpenAI client, told nothing but base URL and key.  Does what an
// application does, and prints what it saw as JSON; t/openai-sdk.t judges.
//
//     node openai.mjs NODE_MODULES BASE_URL KEY

import { createRequire } from 'node:module';
import { watch } from './seen.mjs';

const [modules, baseURL, apiKey] = process.argv.slice(2);
const require = createRequire(modules + '/');
const OpenAI = require('openai');

const { attempt, print } = watch(OpenAI);


function ask(content, more) {
    return { model: 'mock-1', messages: [{ role: 'user', content }], ...more };
}


const client = new OpenAI({ baseURL, apiKey });
const chat = client.chat.completions;

await attempt('chat', async () => {
    const completion = await chat.create(ask('Hi'));
    return { ...completion, requestID: completion._request_id };
});

await attempt('withResponse', async () => {
    const { data, response, request_id } =
        await chat.create(ask('Hi'), { headers: { 'X-Request-Id': 'mine-1' } })
                  .withResponse();
    return { text: data.choices[0].message.content, requestID: request_id,
             status: response.status, job: response.headers.get('x-weir-job') };
});

await attempt('tools', async () => {
    const completion = await chat.create(ask('[[mock tool=weather]] Hi', {
        tools: [{ type: 'function', function: {
            name: 'weather', parameters: { type: 'object', properties: {} },
        } }],
    }));
    return completion.choices[0];
});

await attempt('stream', async () => {
    const stream = await chat.create(ask('one two three', {
        stream: true, stream_options: { include_usage: true },
    }));
    let text = '', events = 0, finish, usage;
    for await (const chunk of stream) {
        events++;
        text += chunk.choices[0]?.delta.content ?? '';
        finish = chunk.choices[0]?.finish_reason ?? finish;
        usage = chunk.usage ?? usage;
    }
    return { text, events, finish, usage };
});

await attempt('streamFinal', () => chat.stream(
    ask('[[mock tool=weather]] Hi', {
        tools: [{ type: 'function', function: {
            name: 'weather', parameters: { type: 'object', properties: {} },
        } }],
    })).finalChatCompletion());

await attempt('streamText', () => chat.stream(
    ask('Grüße \u{1f600} '.repeat(100))).finalContent());

await attempt('streamRefused', () =>
    chat.create(ask('[[mock status=400]] Hi', { stream: true })));

await attempt('embeddings', async () => {
    const one = { model: 'mock-1', dimensions: 8 };
    const read = (list) => list.data.map((d) => [d.index, d.embedding]);
    const texts = await client.embeddings.create({ ...one,
                                                   input: ['Hi', 'Ho'] });
    const floats = await client.embeddings.create({ ...one, input: ['Hi', 'Ho'],
                                                    encoding_format: 'float' });
    return { texts: read(texts), floats: read(floats), usage: texts.usage,
             requestID: texts._request_id };
});

await attempt('badInput', () =>
    client.embeddings.create({ model: 'mock-1', input: [] }));

await attempt('parallel', async () => {
    const all = await Promise.all([...Array(20).keys()].map(
        (n) => chat.create(ask(`number ${n}`))));
    return all.map((c) => c.choices[0].message.content);
});

await attempt('models', async () => {
    const ids = [];
    for await (const model of client.models.list()) {
        ids.push(model.id);
    }
    return ids.sort();
});

await attempt('model', () => client.models.retrieve('mock-1'));
await attempt('noModel', () => client.models.retrieve('none'));

await attempt('badKey', () =>
    new OpenAI({ baseURL, apiKey: 'sk-wrong' }).chat.completions.create(
        ask('Hi')));

await attempt('badMessages', () =>
    chat.create({ model: 'mock-1', messages: [] }));
await attempt('badTemperature', () =>
    chat.create(ask('Hi', { temperature: 9 })));
await attempt('badRoute', () => client.get('/none'));
await attempt('refused', () => chat.create(ask('[[mock status=400]] Hi')));

// what the client asks again by itself, and what it must not

await attempt('limited', () =>
    client.withOptions({ maxRetries: 0 }).chat.completions.create(
        ask('[[mock status=429 tag=sdk-429]] Hi')));
await attempt('broken', () =>
    client.withOptions({ maxRetries: 0 }).chat.completions.create(
        ask('[[mock status=500 tag=sdk-500]] Hi')));
await attempt('afterRetry', async () =>
    (await chat.create(ask('[[mock status=503 times=1 tag=sdk-503]] Hi')))
        .choices[0].message.content);
await attempt('unauthorizedOnce', () =>
    new OpenAI({ baseURL, apiKey: 'sk-wrong', maxRetries: 3 }).models.list());

await attempt('timeout', () => chat.create(
    ask('[[mock delay=1500]] Hi'), { timeout: 300, maxRetries: 0 }));

print();
