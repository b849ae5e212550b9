// OpenAI's client does with responses what an application does; prints what it
// saw as JSON, and t/responses-sdk.t judges.
//
//     node responses.mjs NODE_MODULES BASE_URL OTHER_BASE_URL KEY

import { createRequire } from 'node:module';
import { watch } from './seen.mjs';

const [modules, baseURL, otherURL, apiKey] = process.argv.slice(2);
const require = createRequire(modules + '/');
const OpenAI = require('openai');

const client = new OpenAI({ baseURL, apiKey });
const elsewhere = new OpenAI({ baseURL: otherURL, apiKey });
const responses = client.responses;
const once = client.withOptions({ maxRetries: 0 }).responses;
const { seen, attempt, describe, print } = watch(OpenAI);


function ask(input, more) {
    return { model: 'mock-1', input, ...more };
}


async function collect(stream) {
    const events = [];

    for await (const event of stream) {
        events.push(event);
    }

    return events;
}


// what the events say, however the text was cut

function told(events) {
    let text = '';
    const types = [];

    for (const e of events) {
        if (e.type === 'response.output_text.delta') {
            text += e.delta;
            if (types.at(-1) === e.type) {
                continue;
            }
        }
        types.push(e.type);
    }

    return { text, types };
}


const weather = {
    tools: [{ type: 'function', name: 'weather', strict: true, parameters: {
        type: 'object', properties: { city: { type: 'string' } },
        required: ['city'], additionalProperties: false } }],
};


await attempt('create', async () => {
    const r = await responses.create(ask('Hi', { metadata: { a: 'b' } }));
    return { ...r, text: r.output_text, requestID: r._request_id };
});

await attempt('items', async () => (await responses.create(ask([
    { role: 'developer', content: 'Be brief.' },
    { role: 'user', content: [{ type: 'input_text', text: 'Hi' }] },
]))).output_text);

await attempt('retrieve', async () => {
    const r = await responses.create(ask('one two'));
    const same = await elsewhere.responses.retrieve(r.id);
    return [r, same];
});

await attempt('stream', async () => {
    const stream = await responses.create(
        ask('[[mock tokens=6 every=100]] Hi', { stream: true }));
    const events = [], at = [];
    for await (const e of stream) {
        events.push(e);
        at.push(Date.now());
    }
    return { ...told(events), spread: at.at(-1) - at[0],
             numbers: events.map((e) => e.sequence_number) };
});

// the same as without a stream

seen.whole = { value: [] };

for (const [input, more] of [
    ['one two three'], ['Grüße \u{1f600} '.repeat(100)],
    ['[[mock tool=weather args={"city":"Oslo"} pieces=5]] Hi', weather],
    ['[[mock tool=weather tools=3 preface=4]] Hi', weather],
    ['[[mock tokens=8]] Hi', { max_output_tokens: 3 }],
    ['[[mock thinking=3 tokens=4]] Hi'],
]) {
    try {
        const stream = responses.stream(ask(input, more));
        let text = '', args = '';
        stream.on('response.output_text.delta', (e) => { text += e.delta; });
        stream.on('response.function_call_arguments.delta',
                  (e) => { args += e.delta; });
        const final = await stream.finalResponse();
        const plain = await responses.create(ask(input, more));
        seen.whole.value.push({ input, text, args, final, plain });
    } catch (error) {
        seen.whole.value.push({ input, error: describe(error) });
    }
}

await attempt('tools', async () => {
    const input = [{ role: 'user', content:
                     '[[mock tool=weather args={"city":"Oslo"}]] Oslo?' }];
    const first = await responses.create(ask(input, weather));
    const call = first.output.find((item) => item.type === 'function_call');
    const second = await responses.create(ask([
        ...input, ...first.output,
        { type: 'function_call_output', call_id: call.call_id,
          output: 'sunny' },
        { role: 'user', content: 'And now?' },
    ], weather));
    return { call, text: second.output_text };
});

await attempt('parsed', async () => {
    const r = await responses.parse(ask(
        '[[mock tool=weather args={"city":"Oslo"}]] Hi', weather));
    return r.output.find((item) => item.type === 'function_call')
            .parsed_arguments;
});


// in the background

await attempt('poll', async () => {
    let r = await responses.create(ask('[[mock delay=600]] Hi',
                                       { background: true }));
    const states = [r.status];
    while (r.status === 'queued' || r.status === 'in_progress') {
        await new Promise((resolve) => setTimeout(resolve, 50));
        r = await elsewhere.responses.retrieve(r.id);
        states.push(r.status);
    }
    return { first: states[0], last: r.status, text: r.output_text };
});

await attempt('cancel', async () => {
    const r = await responses.create(ask('[[mock hang tag=sdk-cancel]] Hi',
                                         { background: true }));
    const cancelled = await responses.cancel(r.id);
    const again = await responses.cancel(r.id);
    return [cancelled.status, again.status, cancelled.id === r.id];
});

await attempt('cancelHeld', async () => {
    const r = await responses.create(ask('Hi'));
    return responses.cancel(r.id);
});

await attempt('delete', async () => {
    const r = await responses.create(ask('Hi'));
    await responses.delete(r.id);
    return r.id;
});
await attempt('deleted', () => responses.retrieve(seen.delete.value));

// left in the middle, and read on from every event of it, here and elsewhere

await attempt('resumed', async () => {
    const stream = await responses.create(
        ask('[[mock tag=sdk-resumed tokens=8 every=60]] Hi',
            { background: true, stream: true }));
    const before = [];
    for await (const e of stream) {
        before.push(e);
        if (e.type === 'response.output_text.delta') {
            break;
        }
    }
    const id = before[0].response.id;
    const live = await collect(await elsewhere.responses.retrieve(id,
        { stream: true, starting_after: before.at(-1).sequence_number }));
    const all = [...before, ...live];
    const wrong = [];
    for (let n = 0; n < all.length; n++) {
        const at = n % 2 ? client : elsewhere;
        const rest = await collect(await at.responses.retrieve(id,
            { stream: true, starting_after: all[n].sequence_number }));
        const got = told([...all.slice(0, n + 1), ...rest]);
        if (JSON.stringify(got) !== JSON.stringify(told(all))) {
            wrong.push([all[n].sequence_number, got]);
        }
    }
    const full = await collect(await responses.retrieve(id, { stream: true }));
    return { told: told(all), full: told(full), wrong,
             final: full.at(-1).response };
});

// the client's own helper reads what goes on already

await attempt('helper', async () => {
    const r = await responses.create(ask('[[mock tokens=5 every=60]] Hi',
                                         { background: true }));
    const stream = responses.stream({ response_id: r.id });
    let text = '';
    stream.on('response.output_text.delta', (e) => { text += e.delta; });
    return { text, final: (await stream.finalResponse()).output_text, at: text };
});

await attempt('abort', async () => {
    const stream = await responses.create(
        ask('[[mock tag=sdk-abort tokens=200 every=50]] Hi',
            { stream: true }));
    for await (const e of stream) {
        if (e.type === 'response.output_text.delta') {
            stream.controller.abort();
            break;
        }
    }
    return true;
});


// errors, by their class

await attempt('notStored', async () => {
    const r = await responses.create(ask('Hi', { store: false }));
    return responses.retrieve(r.id);
});
await attempt('notThere', () => responses.retrieve('resp_' + '0'.repeat(24)));
await attempt('inputItems', async () => {
    const r = await responses.create(ask('Hi'));
    return responses.inputItems.list(r.id);
});
await attempt('previous', () =>
    responses.create(ask('Hi', { previous_response_id: 'resp_1' })));
await attempt('conversation', () =>
    responses.create(ask('Hi', { conversation: 'conv_1' })));
await attempt('unknown', () => responses.create(ask('Hi', { nonsense: 1 })));
await attempt('webSearch', () =>
    responses.create(ask('Hi', { tools: [{ type: 'web_search' }] })));
await attempt('refused', () => responses.create(ask('[[mock status=400]] Hi')));
await attempt('streamRefused', () => responses.create(
    ask('[[mock status=400]] Hi', { stream: true })));
await attempt('limited', () =>
    once.create(ask('[[mock status=429 tag=sdk-429]] Hi')));
await attempt('broken', () =>
    once.create(ask('[[mock status=500 tag=sdk-500]] Hi')));
await attempt('badKey', () => new OpenAI({ baseURL, apiKey: 'sk-wrong' })
    .responses.create(ask('Hi')));
await attempt('cut', async () => collect(await once.create(
    ask('[[mock tag=sdk-cut tokens=20 every=30 cut=body times=1]] Hi',
        { stream: true }))));
await attempt('failed', async () => {
    const events = await collect(await responses.create(
        ask('[[mock status=400]] Hi', { background: true, stream: true })));
    return { type: events.at(-1).type, error: events.at(-1).response.error };
});

print();
