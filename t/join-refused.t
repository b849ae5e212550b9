# Who leads is refused by a limit: those who wait for him and would be refused as
# well are told so at once, not each in his turn; others lead.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Askers;
use Weir::Stack;

my $MANY = 400;

my $stack = cached_stack(
    processes => 2, cache => 'scope=shared',
    http => 'weir_max_waiting 2000;
             weir_limit_zone $weir_owner zone=out:1m count=output-tokens
                             quota=100/month scope=fleet;
             weir_limit_zone $weir_owner zone=jobs:1m count=jobs-at-once max=1
                             scope=fleet;',
    server => join '', map { "location /$_/ { weir_api;
                              weir_cache zone=answers scope=shared;
                              weir_limit zone=$_; }\n" } qw(out jobs));
$stack->start;


sub commands {
    my ($name) = @_;
    my ($n) = $stack->redis('INFO', 'commandstats')
              =~ /^cmdstat_$name:calls=(\d+)/m;
    return $n // 0;
}


sub chat_at {
    my ($where, $text, %o) = @_;
    my $key = delete $o{key} // $stack->key;

    return $stack->request("/$where/v1/chat/completions", no_key => 1,
        headers => ["Authorization: Bearer $key"],
        body => question($text, %o));
}


# more than there is: nobody can lead

my $asks = commands('hsetnx');
my @all = map { chat_at('out', 'all', max_tokens => 150) } 1 .. $MANY;

ask_all(30, @all);
is(status_of(@all), 429, 'all are refused');
is(scalar(grep { decode_json($_->body)->{error}{code} eq 'rate_limit_exceeded'
                 && $_->header('Retry-After') && $_->header('RateLimit') }
          @all), $MANY, 'in the same words');
is($stack->calls('out'), 0, 'no call');

$asks = commands('hsetnx') - $asks;
note "$asks asked to lead";
cmp_ok($asks, '<', 4 * $MANY, 'they did not take turns');


# held requests and jobs, too

@all = map { my $text = '[[mock tag=jobs]] of both kinds';
             ($_ % 2 ? chat_at('out', $text, max_tokens => 150)
              : $stack->request('/out/v1/jobs', body => encode_json({
                    request => decode_json(question($text,
                                                    max_tokens => 150)) }))) }
       1 .. 100;
ask_all(30, @all);
is(status_of(@all), 429, 'jobs and held requests are refused');


# who would not be refused leads, and those who joined him have his answer

my $busy = chat_at('jobs', '[[mock tag=busy delay=2500]] Hi');
$stack->wait_for(5, sub { $stack->calls('busy') }, 'a job at once');

my @alice = map { chat_at('jobs', '[[mock tag=both delay=500]] Hi') } 1 .. 60;
my @bob = map { chat_at('jobs', '[[mock tag=both delay=500]] Hi',
                        key => $stack->{other_key}) } 1 .. 10;

ask_all(20, @alice, @bob);
is(status_of(@bob), 200, 'another owner is not refused');
is($stack->calls('both'), 1, 'one call');
like(status_of(@alice), qr/^(?:429|200|200:\d+ 429:\d+)$/,
     'the others: refused, or his answer');

# nobody is refused by what others were

my $refused = chat_at('jobs', '[[mock tag=again]] Hi');
ask_all(5, $refused);
is($refused->status, 429, 'still a job at once');
ask_all(10, $busy);
$stack->wait_for(10, sub {
    my $c = chat_at('jobs', '[[mock tag=again]] Hi');
    ask_all(5, $c);
    return $c->status == 200;
}, 'room again');
pass('there is room again');

nothing_left($stack);
$stack->end;

done_testing();
