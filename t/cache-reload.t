# Over a reload what is kept stays, under the rules that are new; and a key
# whose models have changed gets nothing that it may not ask for.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Askers qw(ask_chat what);
use Weir::Stack;

my $s = Weir::Stack->new(
    http => 'weir_cache_zone answers 2m; weir_class c model=other-*;',
    location => 'weir_api; weir_cache zone=answers temperature=any;',
    server => 'location = /metrics { weir_metrics; }');
$s->keys;
$s->start;

my $file = $s->dir . '/nginx.conf';


sub reload {
    my ($change) = @_;

    my $conf = Weir::Stack::slurp($file);
    $change->() for $conf;
    Weir::Stack::write_file($file, $conf);

    my %before = map { $_ => 1 } $s->children('nginx');
    $s->signal('nginx', 'HUP');
    $s->wait_for(10, sub {
        my @now = $s->children('nginx');
        return @now == 2 && !grep { $before{$_} } @now;
    }, 'reloaded');
}


sub chat {
    my ($text, %more) = @_;
    return ask_chat($s, $text, more => \%more);
}


sub level { $s->edge_metric(qq(weir_cache_hits_total{level="$_[0]"})) }


sub from {
    my ($level, @ask) = @_;
    my $before = level($level);
    my $c = chat(@ask);

    return what($c) =~ /; hit/ && level($level) == $before + 1;
}


# what was purged is told to the node that did it, too

sub news {
    my $polls = sub { $s->ask('/metrics')->body
                      =~ /^weir_cache_purge_polls_total (\d+)/m; $1 };
    my $before = $polls->();

    $s->wait_for(5, sub { $polls->() > $before + 1 }, 'news');
}


chat('[[mock tag=one]] Hi');
chat('[[mock tag=warm]] Hi', temperature => 1);
ok(from('memory', '[[mock tag=one]] Hi'), 'a hit');
ok(from('memory', '[[mock tag=warm]] Hi', temperature => 1), 'a warm one');


# the same configuration

reload(sub {});
ok(from('memory', '[[mock tag=one]] Hi'), 'a hit after a reload');
is($s->calls('one'), 1, 'one call');


# other rules: what they do not allow is not found by its bytes

reload(sub { s/ temperature=any// });
ok(from('memory', '[[mock tag=one]] Hi'), 'a hit under other rules');

my $c = chat('[[mock tag=warm]] Hi', temperature => 1);
is(what($c), 'weir; fwd=bypass', 'what is not allowed any more is no hit');
is($s->calls('warm'), 2, 'it is asked anew');

reload(sub { s/zone=answers/zone=answers scope=shared/ });
is(what(chat('[[mock tag=one]] Hi')), 'weir; fwd=uri-miss; stored',
   'another scope, another question');

reload(sub { s/weir_cache zone=answers scope=shared/weir_cache off/ });
$c = chat('[[mock tag=one]] Hi');
is($c->status, 200, 'without a cache');
is(what($c), '', 'nothing is said');

reload(sub { s/weir_cache off/weir_cache zone=answers/ });
ok(from('memory', '[[mock tag=one]] Hi'), 'it is there again');


# purges that came meanwhile, and those after

$s->ask('/v1/cache/purge', no_key => 1,
        headers => ["Authorization: Bearer $s->{admin_key}"],
        body => '{"owner":"alice"}');
reload(sub {});
news();
is(what(chat('[[mock tag=one]] Hi')), 'weir; fwd=uri-miss; stored',
   'purged before the reload');
ok(from('memory', '[[mock tag=one]] Hi'), 'and there again');

$s->ask('/v1/cache/purge', no_key => 1,
        headers => ["Authorization: Bearer $s->{admin_key}"],
        body => '{"model":"mock-1"}');
news();
is(what(chat('[[mock tag=one]] Hi')), 'weir; fwd=uri-miss; stored',
   'purged after it');


# the key's models

ok(from('memory', '[[mock tag=one]] Hi'), 'a hit');
$s->add_to_key('alice', 'models=other-*');
$s->wait_for(5, sub { chat('[[mock tag=one]] Hi')->status == 403 },
             'the key has other models');
pass('what is there is not for a key that may not ask for it');

is(chat('Hi', model => 'other-1')->status, 200, 'another model');

$s->end;
done_testing();
