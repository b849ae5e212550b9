# What a run costs: in the job, in its webhook, in the metrics, and from a cell.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Receiver;
use Weir::Stack;

my $stack = Weir::Stack->new(
    faults => 'reply_received:kill:1',
    worker_more => <<END . 'webhook { allow = "127.0.0.0/8" }',
model "dear" {
    provider = "mock"
    input_price = 2.5
    output_price = "10"
}
model "cheap" {
    provider = "mock"
    input_price = 0.000001
}
END
    http => 'weir_webhook_allow 127.0.0.0/8;', location => 'weir_api;');

my $receiver = Weir::Receiver->new(dir => $stack->dir);

$stack->start;


sub run_job {
    my ($model, $text, %more) = @_;

    my $c = $stack->ask('/v1/jobs', headers => ['Prefer: wait=10'],
        body => encode_json({ %more, request => { model => $model,
            messages => [{ role => 'user', content => $text }] } }),
        timeout => 15);

    return decode_json($c->body);
}


# the runner dies of the first one, which goes to a cell; 4 and 6 tokens

my $job = run_job('dear', 'one two three fo');

is($job->{status}, 'completed', 'done, in a cell');
is($job->{attempts}, 2, 'at the second try');
is_deeply($job->{usage}, { input_tokens => 4, output_tokens => 6 }, 'usage');
is($job->{cost_usd}, '0.000070', 'a cell knows the price');
is($stack->metric('cost_microdollars_total'), 70, 'counted');

$job = run_job('cheap', 'Hi');
is($job->{cost_usd}, '0.000001', 'rounded up');

$job = run_job('other', 'Hi');
is($job->{cost_usd}, '0.000000', 'no price, no cost');

$job = run_job('dear', '[[mock usage=none]] Hi');
cmp_ok($job->{cost_usd}, '>', 0, 'no usage in a stream: estimated');

$job = run_job('dear', '[[mock status=400]] Hi');
is($job->{status}, 'failed', 'a failure');
is($job->{cost_usd}, '0.000000', 'costs nothing');

$job = run_job('dear', 'Hi',
               webhook => { url => $receiver->url('ok/dear'),
                            secret => 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' });
is($job->{cost_usd}, '0.000023', 'a job with a webhook');

$stack->wait_for(5, sub { $receiver->got('dear') == 1 }, 'a webhook');
is(decode_json(($receiver->got('dear'))[0]{body})->{data}{cost_usd},
   '0.000023', 'the webhook says so');


# what the edge is told, and what clients are

my $catalogue = decode_json($stack->wait_for(10, sub {
    $stack->redis('GET', 'weir:catalogue');
}, 'the catalogue'));
my ($dear) = grep { $_->{id} eq 'dear' } @{ $catalogue->{models} };

is_deeply([@$dear{qw(input_price output_price owned_by)}],
          ['2.500000', '10.000000', 'mock'], 'prices in the catalogue');
is_deeply($catalogue->{any}, { input_price => '0.000000',
          output_price => '0.000000' }, 'and those of other names');

my $c = $stack->ask('/v1/models/dear');
is_deeply([sort keys %{ decode_json($c->body) }],
          [qw(created id object owned_by)], 'clients see no price');

$stack->end;
done_testing;
