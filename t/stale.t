# Answers past their time: served at once while one request in all the fleet has
# it made anew, or where the LLM fails, cannot be asked, or takes too long.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use List::Util qw(max);
use Test::More;
use Time::HiRes qw(time);
use Weir::Askers;
use Weir::Stack;

my $http = 'weir_max_waiting 1000;';
my $server = 'location /error/ {
                  weir_api;
                  weir_max_wait 2s;
                  weir_cache zone=answers stale_if_error=4s;
                  weir_cache_ttl 1s;
              }';

my %o = (processes => 2, http => $http, server => $server,
         cache => 'stale_while_revalidate=20s', ttl => 'weir_cache_ttl 1s;');

my $near = cached_stack(%o, worker => 'attempts = 1');
$near->start;

my $far = another_edge($near, %o);
$far->start('nginx');


sub error {
    my ($edge, $text, %with) = @_;

    return $edge->request('/error/v1/chat/completions', %with,
                          body => question($text));
}


# stale: its time is over, as the answer to one that only looks says

sub expire {
    my ($ask, $text) = @_;

    $near->wait_for(5, sub {
        my $c = $ask->($near, $text, headers => ['Cache-Control: only-if-cached']);
        ask_all(5, $c);
        return ($c->header('Cache-Status') // '') !~ /^weir; hit; ttl=\d/;
    }, 'the end of its time');
}


# while another runs: stale at once, one refresh, then fresh

my $text = '[[mock tag=while delay=700]] Hi';
my $first = chat($near, $text);
ask_all(5, $first);
is($first->status, 200, 'while: first');
expire(\&chat, $text);

my @all = map { chat($_ % 2 ? $far : $near, $text) } 1 .. 40;
ask_all(5, @all);
is(status_of(@all), 200, 'while: all are answered');
is(scalar(grep { $_->header('Cache-Status') =~ /^weir; hit; ttl=-\d+$/ } @all),
   40, 'while: with the stale one');
is(scalar(grep { $_->body ne $first->body } @all), 0, 'while: the same bytes');
cmp_ok(max(map { $_->elapsed } @all), '<', 0.6,
       'while: nobody waits');

my $new = $near->wait_for(5, sub {
    my $c = chat($far, $text);
    ask_all(5, $c);
    return $c->body ne $first->body && $c;
}, 'the new answer');
like($new->header('Cache-Status'), qr/^weir; hit; ttl=\d/, 'while: then fresh');
is($near->calls('while'), 2, 'while: one refresh');


# the refresh fails: the stale one goes on, and the LLM is left alone for a while

$text = '[[mock tag=again delay=100]] Hi';
$first = chat($near, $text);
ask_all(5, $first);
expire(\&chat, $text);
$near->stop('mock');
my $end = time + 2;
my $n = 0;

while (time < $end) {
    my @some = map { chat($_, $text) } $near, $far;
    ask_all(5, @some);
    $n += grep { $_->status == 200 && $_->body eq $first->body } @some;
    $end = 0 if $n > 40 && $near->log('worker') =~ /state=failed/;
}

cmp_ok($n, '>', 20, 'a refresh fails: stale all the same');
is(scalar(() = $near->log('worker') =~ /state=failed/g), 1,
   'a refresh fails: not tried again at once');
$near->start('mock');


# if the run fails: the leader and who joined it

$text = '[[mock tag=error delay=300]] Hi';
$first = error($near, $text);
ask_all(5, $first);
expire(\&error, $text);
$near->stop('mock');
@all = map { error($_ % 2 ? $far : $near, $text) } 1 .. 10;
ask_all(10, @all);
is(status_of(@all), 200, 'error: all are answered');
is(scalar(grep { $_->header('Cache-Status') =~ /^weir; hit; ttl=-\d+$/ } @all),
   10, 'error: with the stale one');
is(scalar(grep { $_->body ne $first->body } @all), 0, 'error: the same bytes');

# after that time it is over

my $c = $near->wait_for(8, sub {
    my $c = error($near, $text);
    ask_all(5, $c);
    return $c->status != 200 && $c;
}, 'the end of the window');
is($c->status, 502, 'error: after it the error is told');
$near->start('mock');


# it takes too long

$text = '[[mock tag=slow]] Hi';
ask_all(5, error($near, $text));
expire(\&error, $text);
$near->signal('mock', 'STOP');
$c = error($near, $text);
ask_all(5, $c);
is($c->status, 200, 'slow: stale at the end of the wait');
like($c->header('Cache-Status'), qr/^weir; hit; ttl=-\d+$/, 'slow: it says so');
is($c->header('X-Weir-Job'), undef, 'slow: no job');
$near->signal('mock', 'CONT');


# Redis is away

for (['error', \&error], ['while', \&chat]) {
    my ($name, $ask) = @$_;

    $text = "[[mock tag=away-$name]] Hi";
    ask_all(5, $ask->($near, $text));
    expire($ask, $text);
    $near->stop('redis');
    $c = $ask->($near, $text);
    ask_all(10, $c);
    is($c->status, 200, "Redis is away, $name: stale");
    like($c->header('Cache-Status'), qr/^weir; hit; ttl=-\d+$/,
         "Redis is away, $name: it says so");
    $near->start('redis');
    $_->wait_for(10, sub {
        my $c = chat($_, "[[mock tag=back-$name]] Hi");
        ask_all(10, $c);
        return $c->status == 200;
    }, 'Redis is back') for $near, $far;
}

nothing_left($near);

$far->end;
$near->end;

done_testing();
