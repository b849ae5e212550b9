// The official Anthropic client, told nothing but base URL and key.  Does what an
// application does, and prints what it saw as JSON; t/anthropic-sdk.t judges.
//
//     node anthropic.mjs NODE_MODULES BASE_URL KEY

import { createRequire } from 'node:module';

const [modules, baseURL, apiKey] = process.argv.slice(2);
const require = createRequire(modules + '/');
const Anthropic = require('@anthropic-ai/sdk');

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9Q'
            + 'DwADhgGAWjR9awAAAABJRU5ErkJggg==';

const seen = {};

// what the client sent, and when, which it does not tell

const sent = [];

async function counted(url, init) {
    const entry = { at: Date.now() };
    sent.push(entry);
    const response = await fetch(url, init);
    entry.status = response.status;
    entry.after = response.headers.get('retry-after');
    entry.ms = response.headers.get('retry-after-ms');
    entry.done = Date.now();
    return response;
}


function describe(error) {
    return {
        class: error.constructor.name,
        isAPIError: error instanceof Anthropic.APIError,
        isServerError: error instanceof Anthropic.InternalServerError,
        status: error.status,
        type: error.type,
        body: error.error,
        message: error.message,
        requestID: error.requestID,
    };
}


async function attempt(name, code) {
    const first = sent.length;

    try {
        seen[name] = { value: await code() };
    } catch (error) {
        seen[name] = { error: describe(error) };
    }

    seen[name].sent = sent.slice(first);
}


function ask(content, more) {
    return { model: 'mock-1', max_tokens: 1000,
             messages: [{ role: 'user', content }], ...more };
}


function at(path, more) {
    return new Anthropic({ baseURL: baseURL + path, apiKey, fetch: counted,
                           ...more });
}


const client = at('');
const tool = {
    name: 'weather', description: 'How it is',
    input_schema: { type: 'object', properties: { city: { type: 'string' } } },
};

await attempt('message', async () => {
    const message = await client.messages.create(ask('Hi'));
    return { ...message, requestID: message._request_id };
});

await attempt('withResponse', async () => {
    const { data, response, request_id } = await client.messages.create(
        ask('Hi'), { headers: { 'X-Request-Id': 'mine-1' } }).withResponse();
    return { text: data.content[0].text, requestID: request_id,
             status: response.status, job: response.headers.get('x-weir-job') };
});

await attempt('bearer', async () =>
    (await new Anthropic({ baseURL, authToken: apiKey, apiKey: null })
        .messages.create(ask('Hi'))).content[0].text);

await attempt('system', async () =>
    (await client.messages.create(ask('Hi', {
        system: [{ type: 'text', text: 'Be brief.',
                   cache_control: { type: 'ephemeral' } }],
        temperature: 0, stop_sequences: ['END'],
        metadata: { user_id: 'u-1' },
    }))).content[0].text);

await attempt('image', async () =>
    (await client.messages.create(ask([
        { type: 'image', source: { type: 'base64', media_type: 'image/png',
                                   data: PIXEL } },
        { type: 'text', text: 'Hi' },
    ]))).content[0].text);

// a call of a tool, its result, and the answer to that

await attempt('tools', async () => {
    const messages = [{ role: 'user', content:
                        '[[mock tool=weather args={"city":"Oslo"}]] Hi' }];
    const call = await client.messages.create({
        model: 'mock-1', max_tokens: 1000, messages, tools: [tool],
    });
    const use = call.content.find((block) => block.type === 'tool_use');
    messages.push({ role: 'assistant', content: call.content });
    messages.push({ role: 'user', content: [
        { type: 'tool_result', tool_use_id: use.id, content: 'rain' }] });
    const answer = await client.messages.create({
        model: 'mock-1', max_tokens: 1000, messages, tools: [tool],
    });
    return { reason: call.stop_reason, use, end: answer.stop_reason };
});

await attempt('toolRunner', async () => {
    const cities = [];
    const answer = await client.beta.messages.toolRunner({
        model: 'mock-1', max_tokens: 1000,
        messages: [{ role: 'user', content:
                     '[[mock tool=weather args={"city":"Oslo"}]] Hi' }],
        tools: [{ ...tool, type: 'custom', run: (input) => {
            cities.push(input.city);
            return 'rain';
        }, parse: (input) => input }],
    });
    return { cities, end: answer.stop_reason };
});

await attempt('stream', async () => {
    const stream = await client.messages.create(ask('one two three',
                                                    { stream: true }));
    const types = [];
    let text = '';
    for await (const event of stream) {
        types.push(event.type);
        text += event.delta?.text ?? '';
    }
    return { types, text };
});

await attempt('streamFinal', async () =>
    await client.messages.stream(ask('[[mock tool=weather]] Hi', {
        tools: [tool] })).finalMessage());

await attempt('streamText', () => client.messages.stream(
    ask('Grüße \u{1f600} '.repeat(100))).finalText());

await attempt('streamRefused', () =>
    client.messages.create(ask('[[mock status=400]] Hi', { stream: true })));

await attempt('parallel', async () => {
    const all = await Promise.all([...Array(20).keys()].map(
        (n) => client.messages.create(ask(`number ${n}`))));
    return all.map((m) => m.content[0].text);
});

await attempt('models', async () => {
    const models = [];
    for await (const model of client.models.list()) {
        models.push(model);
    }
    return models;
});

await attempt('model', async () => {
    const model = await client.models.retrieve('mock-1');
    return { ...model, requestID: model._request_id };
});


// errors, by their class

await attempt('noModel', () => client.models.retrieve('none'));
await attempt('badKey', () =>
    at('', { apiKey: 'sk-wrong' }).messages.create(ask('Hi')));
await attempt('badMessages', () =>
    client.messages.create({ model: 'mock-1', max_tokens: 9, messages: [] }));
await attempt('badTemperature', () =>
    client.messages.create(ask('Hi', { temperature: 9 })));
await attempt('countTokens', () => client.messages.countTokens(
    { model: 'mock-1', messages: [{ role: 'user', content: 'Hi' }] }));
await attempt('batches', () => client.messages.batches.list());
await attempt('refused', () =>
    client.messages.create(ask('[[mock status=400]] Hi')));
await attempt('tooLarge', () =>
    at('/small').messages.create(ask('x'.repeat(5000))));
await attempt('limited', () => at('', { maxRetries: 0 }).messages.create(
    ask('[[mock status=429]] Hi')));
await attempt('broken', () => at('', { maxRetries: 0 }).messages.create(
    ask('[[mock status=500]] Hi')));

await attempt('overloaded', () => at('', { maxRetries: 0 }).messages.create(
    ask('[[mock status=529]] Hi')));


// what the client asks again by itself, when, and what it must not

await attempt('afterRetry', async () =>
    (await client.messages.create(
        ask('[[mock status=500 times=2 tag=sdk-500]] Hi'))).content[0].text);

await attempt('soon', async () => {
    await at('/soon').messages.create(ask('Hi'));
    return (await at('/soon').messages.create(ask('Ho'))).content[0].text;
});

await attempt('day', async () => {
    await at('/day').messages.create(ask('Hi'));
    await at('/day', { maxRetries: 3 }).messages.create(ask('Ho'));
});

await attempt('late', () => at('/short', { maxRetries: 3 }).messages.create(
    ask('[[mock delay=3000]] Hi')));

await attempt('unauthorizedOnce', () =>
    at('', { apiKey: 'sk-wrong', maxRetries: 3 }).models.list());

// there is room for one, who is in when another is refused

await attempt('full', async () => {
    const one = at('/full', { maxRetries: 9 })
        .messages.create(ask('[[mock delay=2500]] one'));
    let refused;
    while (!refused) {
        try {
            await at('/full', { maxRetries: 0 }).messages.create(ask('Hi'));
        } catch (error) {
            refused = describe(error);
        }
    }
    const first = sent.length;
    const two = await at('/full', { maxRetries: 9 }).messages.create(ask('two'));
    return { one: (await one).content[0].text, refused,
             two: two.content[0].text, again: sent.slice(first) };
});

await attempt('timeout', () => client.messages.create(
    ask('[[mock delay=5000]] Hi'), { timeout: 300, maxRetries: 0 }));

console.log(JSON.stringify(seen));
