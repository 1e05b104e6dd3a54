using System.Text.Json;
using Beam.ML.Vllm.Chat;
using Beam.ML.Vllm.Chat.Jinja;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Chat;

/// <summary>What a hostile template, or a hostile conversation for an honest one, can have the server do.</summary>
public sealed class TemplateBoundsTests
{
    private const string Shared = "{% set ns = namespace(a=(1,), b=(1,), l=[1], m=[1]) %}{% for i in range(64) %}" +
        "{% set ns.a = (ns.a, ns.a) %}{% set ns.b = (ns.b, ns.b) %}{% set ns.l = [ns.l, ns.l] %}{% set ns.m = [ns.m, ns.m] %}{% endfor %}";

    private static string Repeat(string text, int count) => string.Concat(Enumerable.Repeat(text, count));

    private static string Render(string source) =>
        JinjaTemplate.Parse(source).Render(new Dictionary<string, object>(), TimeProvider.System, new JinjaLimits(maxWork: JinjaLimits.MaxWork / 64));

    private static Dictionary<string, object> Variables(object? s, JinjaLimits limits) => new() { ["s"] = JinjaValues.FromJson(JsonSerializer.SerializeToElement(s), limits) };

    private static IEnumerable<TestCaseData> Growing()
    {
        static TestCaseData Case(string name, Func<int, (string Source, object Value)> make) => new TestCaseData(make).SetArgDisplayNames(name);
        yield return Case("split at a separator", n => ("{{ s.split('</think>')[-1] }}", Repeat("</think>", n)));
        yield return Case("split at a separator from the end", n => ("{{ s.rsplit('</think>')[0] }}", Repeat("</think>", n)));
        yield return Case("split into words", n => ("{{ s.split()[-1] }}{{ s | wordcount }}", Repeat("a ", n)));
        yield return Case("split into words from the end", n => ("{{ s.rsplit(none, 100000)[-1] }}", Repeat("a ", n)));
        yield return Case("split into lines", n => ("{{ s.splitlines()[-1] }}{{ s | indent }}", Repeat("a\n", n)));
        yield return Case("characters of a text beyond the first plane", n => ("{% for i in range(50) %}{{ s[i] }}{{ s[i - 50] }}{{ s[i:i + 2] }}{% endfor %}", "😀" + new string('a', n)));
        yield return Case("unique tuples", n => ("{{ s.items() | unique | length }}", Enumerable.Range(0, n).ToDictionary(i => "k" + i, i => i)));
        yield return Case("adjacent literals", n => ("{{ " + Repeat("'aaaa'", n) + " | length }}", ""));
        yield return Case("a filter's name", n => ("{% if s %}{{ 1 | a" + Repeat(".a", n) + " }}{% endif %}", ""));
        yield return Case("filters of a block", n => ("{% filter upper" + Repeat("|upper", n) + " %}x{% endfilter %}", ""));
        yield return Case("many variables of a loop's first round", n =>
            ("{% for i in range(200) %}{% if loop.first %}" + string.Concat(Enumerable.Range(0, n).Select(i => $"{{% set v{i} = 1 %}}")) + "{% endif %}{% endfor %}", ""));
        yield return Case("named arguments", n =>
            ("{% macro m(" + string.Join(',', Enumerable.Range(0, n).Select(i => $"p{i}=0")) + ") %}{% endmacro %}{{ m(" + string.Join(',', Enumerable.Range(0, n).Select(i => $"p{i}=1")) + ") }}", ""));
        yield return Case("replaced and joined", n => ("{{ s.replace('ab', 'abab').split('a') | join('b') | length }}", Repeat("ab", n)));
    }

    // Four times as much takes about four times the memory and the steps; what is quadratic takes sixteen times.
    [TestCaseSource(nameof(Growing))]
    public void Work_grows_as_its_subject_does(Func<int, (string Source, object Value)> make)
    {
        Cost(make(1000));
        var (small, large) = (Cost(make(1000)), Cost(make(4000)));
        Assert.That(large.Allocated, Is.LessThan(8 * small.Allocated + (1 << 20)));
        Assert.That(large.Work, Is.LessThan(8 * small.Work + 10_000));

        static (long Allocated, long Work) Cost((string Source, object Value) subject)
        {
            var limits = new JinjaLimits();
            var variables = Variables(subject.Value, limits);
            var before = GC.GetAllocatedBytesForCurrentThread();
            JinjaTemplate.Parse(subject.Source).Render(variables, TimeProvider.System, limits);
            return (GC.GetAllocatedBytesForCurrentThread() - before, limits.Work);
        }
    }

    // Each would take hours, or all memory, if it were only counted as one step. The work allowed is a small part of what it is elsewhere, so
    // that the tests are quick.
    [TestCase(Shared + "{{ ns.a == ns.b }}")]
    [TestCase(Shared + "{{ ns.l < ns.m }}")]
    [TestCase(Shared + "{{ {ns.a: 1} }}")]
    [TestCase(Shared + "{{ ns.l | string }}")]
    [TestCase(Shared + "{{ ns.l | tojson }}")]
    [TestCase(Shared + "{{ [ns.a, ns.b] | unique | list }}")]
    [TestCase(Shared + "{{ [ns.l, ns.m] | sort }}")]
    [TestCase(Shared + "{{ ns.l in [ns.m] }}")]
    [TestCase(Shared + "{{ [ns.l, 1].index(ns.m) }}")]
    [TestCase("{% set x = 'a' * 1000000 %}{{ (x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x) | length }}")]
    [TestCase("{% set x = '&' * 1000000 %}{{ x | e | length }}")]
    [TestCase("{% set x = 'é' * 1000000 %}{{ x | urlencode | length }}")]
    [TestCase("{% set x = 'a\n' * 1000000 %}{{ x.splitlines() | length }}")]
    [TestCase("{% set x = 'a ' * 1000000 %}{{ x.split() | length }}")]
    [TestCase("{% set x = 'a' * 100000 %}{% for i in range(100000) %}{% if {x: 1}[x] %}{% endif %}{% endfor %}")]
    [TestCase("{% set x = 'a' * 100000 %}{% set y = 'a' * 100000 %}{% for i in range(100000) %}{% if x == y %}{% endif %}{% endfor %}")]
    [TestCase("{% set x = 'a' * 100000 %}{% for i in range(100000) %}{% if x.startswith((x, x)) %}{% endif %}{% endfor %}")]
    [TestCase("{% set x = 'a' * 100000 %}{% for i in range(100000) %}{% if x is lower or x is upper %}{% endif %}{% endfor %}")]
    [TestCase("{% set x = 'a' * 100000 %}{% for i in range(100000) %}{% if x[99999] %}{% endif %}{% endfor %}")]
    [TestCase("{% set x = 'a' * 100000 %}{{ x.strip(x) }}{% for i in range(100000) %}{{ x.strip(x) }}{% endfor %}")]
    [TestCase("{% set x = [1] * 100000 %}{% for i in range(100000) %}{% if x | list | select | map('abs') | list %}{% endif %}{% endfor %}")]
    [TestCase("{% set x = [1] * 100000 %}{% for i in range(100000) %}{% if 2 in x or x.count(1) == 2 %}{% endif %}{% endfor %}")]
    [TestCase("{% set x = ['a.' * 1000] * 100000 %}{{ [{}] | map(attribute='a.' * 100000) | list }}{{ x | map(attribute=x[0]) | list }}")]
    [TestCase("{% set ns = namespace(x=[1]) %}{% for i in range(5000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | map(*(['map'] * 5000)) | list }}")]
    public void A_template_that_would_take_hours_ends_in_an_error(string source) => Assert.That(() => Render(source), Throws.TypeOf<ChatTemplateException>());

    [Test]
    public void A_template_is_rendered_or_refused_however_deep_it_is_and_small_the_stack()
    {
        static string Nested(string open, string inner, string close, int depth) => Repeat(open, depth) + inner + Repeat(close, depth);
        List<string> sources =
        [
            "{% filter e" + Repeat("|e", 20_000) + " %}x{% endfilter %}", "{% set x | e" + Repeat("|e", 20_000) + " %}x{% endset %}", "{{ 'x' " + Repeat("|e", 20_000) + " }}",
            "{% if 0 %}" + Repeat("{% elif 0 %}", 20_000) + "{% endif %}", "{{ 1" + Repeat(" ~ 1", 20_000) + " }}", "{{ x" + Repeat(".a", 20_000) + " }}", "{{ 1" + Repeat(" < 2", 20_000) + " }}",
            "{{ 1" + Repeat(" + 1", 20_000) + " }}", "{{ 1" + Repeat(" or 1", 20_000) + " }}", "{{ x" + Repeat("()", 20_000) + " }}", "{{ 1" + Repeat(" if 0", 20_000) + " }}", "{{ 1" + Repeat(" is odd", 20_000) + " }}",
            "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}", "{% macro m() %}{% call m() %}{% endcall %}{% endmacro %}{{ m() }}", "{% macro m(a=m()) %}{% endmacro %}{{ m() }}",
            "{% set ns = namespace(x=[]) %}{% for i in range(20000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}{% for i in ns.x recursive %}{{ loop(i) }}{% endfor %}",
            "{% set ns = namespace(x=[]) %}{% for i in range(20000) %}{% set ns.x = [ns.x] %}{% endfor %}{% for i in ns.x recursive %}{{ loop(i) }}{% endfor %}",
            "{% set ns = namespace(x=[]) %}{% for i in range(20000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson }}",
            "{% set ns = namespace(x=()) %}{% for i in range(20000) %}{% set ns.x = (ns.x,) %}{% endfor %}{{ {ns.x: 1} }}",
            "{% set ns = namespace(x=[1]) %}{% for i in range(20000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | map(*(['map'] * 900)) | list }}",
        ];
        foreach (var depth in (int[])[20, 140, 20_000])
            sources.AddRange(
            [
                Nested("{% if 1 %}", "x", "{% endif %}", depth), Nested("{% for i in [1] %}", "x", "{% endfor %}", depth), Nested("{% filter e %}", "x", "{% endfilter %}", depth / 2),
                Nested("{% set x %}", "x", "{% endset %}", depth), Nested("{% with a = 1 %}", "x", "{% endwith %}", depth), Nested("{% macro m() %}", "x", "{% endmacro %}", depth / 2),
                Nested("{% generation %}", "x", "{% endgeneration %}", depth / 4), Nested("{% call m() %}", "x", "{% endcall %}", depth), "{{ " + Nested("(", "1", ")", depth) + " }}",
                "{{ " + Nested("[", "1", "]", depth) + " }}", "{{ " + Nested("{1:", "1", "}", depth) + " }}", "{{ " + Nested("x[", "1", "]", depth) + " }}", "{{ " + Nested("range(", "1", ")", depth) + " }}",
                "{{ " + Nested("1 | default(", "1", ")", depth / 2) + " }}", "{{ " + Nested("1 is eq(", "1", ")", depth) + " }}", "{{ " + Nested("not ", "1", "", depth) + " }}", "{{ " + Nested("- ", "1", "", depth) + " }}",
                "{{ " + Nested("1 if 1 else ", "1", "", depth / 2) + " }}", "{% for " + Nested("(", "a", ",)", depth) + " in [1] %}{% endfor %}",
                "{% macro m(n) %}" + Nested("{% if 1 %}", "{{ m(n + 1) }}", "{% endif %}", Math.Min(depth, 140)) + "{% endmacro %}{{ m(0) }}",
            ]);
        var failures = new List<string>();
        var thread = new Thread(() =>
        {
            foreach (var source in sources)
                try
                {
                    ChatTemplate.Parse(source).Render([new ChatMessage("user", "x")]);
                }
                catch (ChatTemplateException)
                {
                }
                catch (Exception e)
                {
                    failures.Add($"{source[..Math.Min(60, source.Length)]}: {e}");
                }
        }, maxStackSize: 256 << 10);
        thread.Start();
        thread.Join();
        Assert.That(failures, Is.Empty);
    }

    [TestCase("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}")]
    [TestCase("{% macro m() %}{% for i in range(100000) %}{{ [3, 2, 1] | sort }}{% endfor %}{% endmacro %}{% for i in range(100000) %}{{ m() }}{% endfor %}")]
    public void Rendering_ends_when_nobody_waits_for_it(string source)
    {
        using var gone = new CancellationTokenSource();
        var template = JinjaTemplate.Parse("{{ strftime_now('%Y') }}" + source);
        Assert.That(() => template.Render(new Dictionary<string, object>(), new LeavingClock(gone), new JinjaLimits(gone.Token)), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(() => ChatTemplate.Parse(source).Render(JsonSerializer.SerializeToElement(Array.Empty<int>()), cancellationToken: gone.Token), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public void A_value_of_any_size_equals_itself() =>
        Assert.That(Render(Shared + "{{ ns.l == ns.l }}{{ ns.a != ns.a }}{{ ns.l in [ns.l] }}{{ ns.a <= ns.a }}{{ [ns.l].index(ns.l) }}{{ ([ns.a, ns.a] | sort) == [ns.a, ns.a] }}"), Is.EqualTo("TrueFalseTrueTrue0True"));

    [TestCase("{{ ns.a is eq(ns.b) }}")]
    [TestCase("{{ ns.l is ge(ns.m) }}")]
    [TestCase("{{ [ns.l].count(ns.m) }}")]
    [TestCase("{{ [ns.l, ns.m] | max }}")]
    [TestCase("{{ [{'k': ns.l}, {'k': ns.m}] | groupby('k') }}")]
    [TestCase("{{ {'x': ns.l} == {'x': ns.m} }}")]
    [TestCase("{% for i in [1, 2] %}{{ loop.changed(ns.l if i == 1 else ns.m) }}{% endfor %}")]
    public void Every_comparison_is_counted(string source) => Assert.That(() => Render(Shared + source), Throws.TypeOf<ChatTemplateException>().With.Message.Contains("takes more than"));

    [Test]
    public void What_a_template_may_do_is_in_proportion_to_what_the_model_takes()
    {
        const string Loops = "{% for i in range(20000) %}{% for j in range(20) %}{{ i + j }}{% endfor %}{% endfor %}";
        static string Within(JinjaLimits limits) => JinjaTemplate.Parse(Loops).Render(new Dictionary<string, object>(), TimeProvider.System, limits);
        Assert.That(() => Within(JinjaLimits.For(1024, 100, default)), Throws.TypeOf<ChatTemplateException>());
        Assert.That(Within(JinjaLimits.For(65_536, 100, default)), Is.Not.Empty);
        Assert.That(Within(JinjaLimits.For(1024, 10_000_000, default)), Is.Not.Empty);
    }

    // As the templates of Qwen 3 do, and some more.
    [Test]
    public void An_honest_template_may_write_a_conversation_that_is_far_too_long_for_the_model()
    {
        const string Source = """
            {%- for m in messages -%}
            {%- set content = m.content -%}
            {%- if '</think>' in content -%}{%- set content = content.split('</think>')[-1].lstrip('\n') -%}{%- endif -%}
            {{- '<|im_start|>' + m.role + '\n' + content.strip() + '<|im_end|>' + '\n' -}}
            {%- endfor -%}
            """;
        var template = ChatTemplate.Parse(Source);
        foreach (var (count, length) in new[] { (1, 4_000_000), (4000, 1000), (40_000, 4) })
        {
            var messages = JsonSerializer.SerializeToElement(Enumerable.Repeat(new { role = "user", content = new string('a', length) + "</think>" + new string('b', length) }, count));
            var text = template.Render(messages, false, null, null, null, JinjaLimits.For(1024, messages.GetRawText().Length, default));
            Assert.That(text, Has.Length.EqualTo(count * (length + "<|im_start|>user\n<|im_end|>\n".Length)));
        }
    }

    [Test]
    public void Half_of_a_surrogate_pair_is_an_error_of_the_conversation()
    {
        foreach (var text in (string[])["""[{"role": "user", "content": "\ud800"}]""", """[{"role": "user", "\ud800": 1}]"""])
            Assert.That(() => ChatTemplate.Parse("x").Render(JsonDocument.Parse(text).RootElement), Throws.TypeOf<ChatTemplateException>());
    }

    private sealed class LeavingClock(CancellationTokenSource gone) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow()
        {
            gone.Cancel();
            return base.GetUtcNow();
        }
    }
}
