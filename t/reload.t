# Reloads under load, and leaving with requests in hand: nobody fails, nobody
# stays, and the master does not grow.

use strict;
use warnings;

use lib 't/lib';
use IO::Select;
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;',
    main => 'worker_shutdown_timeout 10s;', worker => 'drain_timeout = 1s',
    server => 'location = /metrics { weir_metrics; }');

my %count;

# a sanitizer keeps for a while what is freed

my $sanitized = defined $ENV{ASAN_OPTIONS};
local $ENV{ASAN_OPTIONS} = ($ENV{ASAN_OPTIONS} // '')
                           . ',quarantine_size_mb=1';

$stack->start;


sub chat {
    my ($delay) = @_;

    return $stack->request('/v1/chat/completions', body => encode_json({
        model => 'mock-1', messages => [
            { role => 'user', content => "[[mock delay=$delay]] Hi" }] }));
}


sub submit {
    my $c = $stack->ask('/v1/jobs', body => encode_json({ request => {
        model => 'mock-1', messages => [
            { role => 'user', content => '[[mock hang]] Hi' }] } }));

    return decode_json($c->body)->{id};
}


sub rss { Weir::Stack::rss(@_) }


sub generation { scalar(() = $stack->log('nginx') =~ /\bstart worker process \d/g) }


# replaced(): no process of @old is left

sub replaced {
    my ($seconds, @old) = @_;

    return $stack->wait_for($seconds, sub {
        my %now = map { $_ => 1 } $stack->children('nginx');
        return !grep { $now{$_} } @old;
    }, 'new processes');
}


# requests all the time, twenty at once, until $until is true

my @running;

sub load {
    my ($until) = @_;

    while (!$until->()) {
        push @running, chat(int rand 30) while @running < 20;

        for my $c (@running) {
            $c->wait(0.0005) if !$c->done;
            next if !$c->done;
            $c->leave;
            $count{ $c->whole ? $c->status : 'broken' }++;
        }

        @running = grep { !$_->done } @running;
    }
}


my $master = $stack->pid('nginx');
my $start = time;
my $rss;

load(sub { ($count{200} // 0) >= 50 });

for my $n (1 .. 100) {
    my $before = generation();

    $stack->signal('nginx', 'HUP');
    load(sub { generation() >= $before + 2 || time - $start > 60 });
    $rss = rss($master) if $n == 30;
}

my $done = $count{200};
load(sub { $count{200} >= $done + 100 });
load(sub { @running = grep { !$_->done } @running; 1 });
Weir::Client::wait_all(10, @running);
$count{ $_->whole ? $_->status : 'broken' }++ for @running;

is_deeply([keys %count], [200], '100 reloads under load: no failed request')
    or diag(explain(\%count));
cmp_ok($count{200}, '>', 300, "$count{200} requests");
cmp_ok(rss($master) - $rss, '<', $sanitized ? 8192 : 1024,
       'the master does not grow');

$stack->wait_for(15, sub { $stack->children('nginx') == 2 },
                 'old processes are gone');
pass('old processes are gone');

# no connection of theirs is left: two for each process, and our own question

$stack->wait_for(10, sub {
    my ($ready) = $stack->ask('/metrics')->body =~ /^weir_redis_ready (\d+)/m;
    my $subscribed = () = $stack->redis('CLIENT', 'LIST', 'TYPE', 'pubsub')
                          =~ /^id=/mg;
    return $ready == 4 && $subscribed == 2;
}, 'connections of the new processes only');
pass('two subscriptions for two processes');


# long polls, and submissions that wait, are answered at once

my $id = submit();
my @polls = map { $stack->request("/v1/jobs/$id",
                                  headers => ['Prefer: wait=60']) } 1 .. 10;
my $waits = $stack->request('/v1/jobs', headers => ['Prefer: wait=60'],
    body => encode_json({ request => { model => 'mock-1', messages => [
        { role => 'user', content => '[[mock hang]] Hi' }] } }));

$stack->wait_for(5, sub {
    $stack->ask('/metrics')->body =~ /^weir_requests_parked 11$/m;
}, '11 parked');

my @old = $stack->children('nginx');
$start = time;
$stack->signal('nginx', 'HUP');

ok(Weir::Client::wait_all(5, @polls, $waits), 'reload: all are answered');
cmp_ok(time - $start, '<', 5, 'at once');
is(scalar(grep { $_->status == 200 } @polls), 10, 'polls: 200');
is(scalar(grep { decode_json($_->body)->{status} =~ /queued|in_progress/ }
          @polls), 10, 'with what is known');
is($waits->status, 202, 'a submission: 202');
replaced(5, @old);


# a held completion keeps its process, and is answered

@old = $stack->children('nginx');
my $held = chat(1500);
$stack->wait_for(5, sub {
    $stack->ask('/metrics')->body =~ /^weir_requests_parked 1$/m;
}, 'one parked');
$stack->signal('nginx', 'HUP');
ok($held->wait(5), 'a completion over a reload');
is($held->status, 200, 'with 200');
cmp_ok($held->elapsed, '>', 1.4, 'when it was done');
replaced(5, @old);


# the same, and nginx leaves

my @held = map { chat(3000) } 1 .. 20;
@polls = map { $stack->request("/v1/jobs/$id",
                               headers => ['Prefer: wait=60']) } 1 .. 5;
$stack->wait_for(5, sub {
    $stack->ask('/metrics')->body =~ /^weir_requests_parked 25$/m;
}, '25 parked');

$stack->signal('nginx', 'QUIT');
ok(Weir::Client::wait_all(5, @polls), 'quit: polls are answered');
$_->wait(0) for @held;
is(scalar(grep { $_->done } @held), 0, 'before any completion');
ok(Weir::Client::wait_all(5, @held), 'completions are kept');
is(scalar(grep { $_->status == 200 } @held), 20, 'and answered with 200');
is($stack->wait_exit('nginx', 10), 0, 'and then nginx has left');

$stack->end;

done_testing();
