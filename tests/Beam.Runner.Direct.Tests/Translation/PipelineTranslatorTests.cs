using Beam.Model;
using Beam.Model.FnExecution;
using Beam.Model.Pipeline;
using Beam.Runner.Direct.Engine;
using Beam.Runner.Direct.Translation;

namespace Beam.Runner.Direct.Tests.Translation;

public sealed class PipelineTranslatorTests
{
    [Test]
    public void A_chain_of_transforms_is_one_stage()
    {
        var p = new PipelineBuilder();
        p.Impulse("start");
        p.ParDo("a", "start", "x");
        p.ParDo("b", "x", "y");
        p.ParDo("c", "y", "unconsumed");
        Assert.That(Show(p), Is.EqualTo(new[] { "start -> a b c ->" }));
    }

    [Test]
    public void GroupByKey_ends_a_stage_and_starts_one()
    {
        var p = new PipelineBuilder();
        p.Impulse("start");
        p.ParDo("a", "start", "pairs");
        p.GroupByKey("pairs", "groups");
        p.ParDo("b", "groups", "y");
        Assert.That(Show(p), Is.EqualTo(new[] { "start -> a -> pairs", "groups -> b ->" }));

        var group = Translate(p).Plan.Stages.OfType<GroupByKeyStage>().Single();
        Assert.That((group.Input.Name, group.Input.Elements), Is.EqualTo(("pairs", ElementFormat.KeyValue)));
        Assert.That((group.Output.Name, group.Output.Elements), Is.EqualTo(("groups", ElementFormat.KeyIterable)));
        Assert.That((group.Timestamps, group.MergesSessions), Is.EqualTo((GroupTimestamp.EndOfWindow, false)));
    }

    [Test]
    public void Length_prefixes_are_put_around_what_only_the_SDK_knows_on_both_sides_of_a_grouping()
    {
        var p = new PipelineBuilder();
        p.Impulse("start");
        p.ParDo("a", "start", "pairs");
        p.GroupByKey("pairs", "groups");
        p.ParDo("b", "groups", "y");
        var descriptors = Describe(p);
        Assert.That(PortCoder(descriptors[0], "fn/read/start"), Is.EqualTo("windowed_value(length_prefix(bytes),global_window)"));
        Assert.That(PortCoder(descriptors[0], "fn/write/pairs"), Is.EqualTo("windowed_value(kv(length_prefix(bytes),length_prefix(sdk:coder:custom:v1)),global_window)"));
        Assert.That(PortCoder(descriptors[1], "fn/read/groups"), Is.EqualTo("windowed_value(kv(length_prefix(bytes),iterable(length_prefix(sdk:coder:custom:v1))),global_window)"));
        Assert.That(Coder(descriptors[1], descriptors[1].Pcollections["groups"].CoderId), Is.EqualTo("kv(length_prefix(bytes),iterable(length_prefix(sdk:coder:custom:v1)))"));
        Assert.That(descriptors[1].Pcollections["y"].CoderId, Is.EqualTo("kv"), "what stays in the stage is the SDK's own affair");
    }

    [Test]
    public void A_length_prefix_is_not_doubled()
    {
        var p = new PipelineBuilder();
        p.Coder("prefixed", BeamUrns.Coders.LengthPrefix, "custom");
        p.Impulse("start");
        p.PCollection("x", "prefixed");
        p.ParDo("a", "start", "x");
        p.Add("reshuffle", BeamUrns.Transforms.Reshuffle, ["x"], [p.PCollection("shuffled", "prefixed")]);
        p.ParDo("b", "shuffled", "y");
        Assert.That(PortCoder(Describe(p)[1], "fn/read/shuffled"), Is.EqualTo("windowed_value(length_prefix(sdk:coder:custom:v1),global_window)"));
    }

    [Test]
    public void Windows_that_only_the_SDK_knows_are_length_prefixed()
    {
        var p = new PipelineBuilder();
        p.Windowing("custom windows", "custom", "sdk:window_fn:v1");
        p.Impulse("start");
        p.PCollection("pairs", "kv", "custom windows");
        p.ParDo("a", "start", "pairs");
        p.GroupByKey("pairs", "groups");
        p.ParDo("b", "groups", "y");
        Assert.That(PortCoder(Describe(p)[0], "fn/write/pairs"), Does.EndWith(",length_prefix(sdk:coder:custom:v1))"));
        Assert.That(Translate(p).Plan.Stages.OfType<GroupByKeyStage>().Single().Input.Windows, Is.EqualTo(WindowFormat.Opaque));
    }

    [Test]
    public void Consumers_of_a_materialised_collection_share_a_stage()
    {
        var p = new PipelineBuilder();
        p.Impulse("start");
        p.ParDo("a", "start", "x");
        p.ParDo("b", "start", "y");
        Assert.That(Show(p), Is.EqualTo(new[] { "start -> a b ->" }));
    }

    [Test]
    public void A_collection_that_is_grouped_and_used_otherwise_is_written_once_and_used_in_place()
    {
        var p = new PipelineBuilder();
        p.Impulse("start");
        p.ParDo("a", "start", "pairs");
        p.GroupByKey("pairs", "groups");
        p.ParDo("b", "pairs", "y");
        Assert.That(Show(p), Is.EqualTo(new[] { "start -> a b -> pairs" }));
    }

    [Test]
    public void A_reshuffle_separates_stages_and_adds_none()
    {
        var p = new PipelineBuilder();
        p.Impulse("start");
        p.ParDo("a", "start", "x");
        p.Add("reshuffle", BeamUrns.Transforms.Reshuffle, ["x"], ["shuffled"]).Subtransforms.Add("not looked at");
        p.ParDo("b", "shuffled", "y");
        Assert.That(Show(p), Is.EqualTo(new[] { "start -> a -> x", "shuffled -> b ->" }));
        Assert.That(Translate(p).Plan.Stages, Has.Count.EqualTo(3));
    }

    [Test]
    public void A_transform_that_waits_for_what_its_own_stage_makes_is_not_fused()
    {
        var p = new PipelineBuilder();
        p.Impulse("start");
        p.ParDo("a", "start", "x", "side");
        p.ParDoWithSideInput("b", "x", "side", BeamUrns.SideInputs.Iterable, "y");
        Assert.That(Show(p), Is.EqualTo(new[] { "start -> a -> side x", "x -> b ->" }));
    }

    [Test]
    public void A_transform_that_waits_for_a_stage_behind_its_own_is_not_fused()
    {
        var p = new PipelineBuilder();
        p.Impulse("start");
        p.ParDo("a", "start", "x");
        p.GroupByKey("x", "groups");
        p.ParDo("b", "groups", "counts");
        p.ParDoWithSideInput("c", "x", "counts", BeamUrns.SideInputs.Iterable, "y");
        p.ParDo("d", "start", "z");
        Assert.That(Show(p), Is.EqualTo(new[] { "start -> a d -> x", "groups -> b -> counts", "x -> c ->" }));
    }

    [Test]
    public void A_side_input_from_elsewhere_does_not_hinder_fusion()
    {
        var p = new PipelineBuilder();
        p.Impulse("start");
        p.Impulse("start 2");
        p.ParDo("make side", "start 2", "side");
        p.ParDo("a", "start", "x");
        p.ParDoWithSideInput("b", "x", "side", BeamUrns.SideInputs.Multimap, "y");
        Assert.That(Show(p), Is.EquivalentTo(new[] { "start 2 -> make side -> side", "start -> a b ->" }));

        var plan = Translate(p).Plan;
        var side = plan.Stages.OfType<ExecutableStage>().Single(stage => stage.SideInputs.Count > 0).SideInputs.Single();
        Assert.That((side.TransformId, side.Name, side.Access, side.Dataset.Name), Is.EqualTo(("b", "side", AccessPattern.Multimap, "side")));
        Assert.That(side.Dataset.Elements, Is.EqualTo(ElementFormat.KeyValue), "so that it can be looked up by key");
    }

    [Test]
    public void A_flatten_within_a_stage_is_part_of_it()
    {
        var p = new PipelineBuilder();
        p.Impulse("start");
        p.ParDo("a", "start", "x");
        p.ParDo("b", "start", "y");
        p.Flatten("flat", "x", "y");
        p.ParDo("c", "flat", "z");
        Assert.That(Show(p), Is.EqualTo(new[] { "start -> a b flatten flat c ->" }));
    }

    [Test]
    public void A_flatten_of_several_stages_is_copied_into_each_and_all_write_to_one_place()
    {
        var p = new PipelineBuilder();
        p.Impulse("start");
        p.ParDo("a", "start", "x");
        p.GroupByKey("x", "groups");
        p.ParDo("b", "groups", "y");
        p.Flatten("flat", "x", "y");
        p.ParDo("c", "flat", "z");
        Assert.That(Show(p), Is.EqualTo(new[] { "start -> a flatten flat -> flat x", "groups -> b flatten flat -> flat", "flat -> c ->" }));
        var descriptors = Describe(p);
        Assert.That(descriptors[0].Transforms["flatten flat"].Inputs.Values, Is.EqualTo(new[] { "x" }));
        Assert.That(descriptors[1].Transforms["flatten flat"].Inputs.Values, Is.EqualTo(new[] { "y" }));
        var plan = Translate(p).Plan;
        Assert.That(plan.Stages.Count(stage => stage.Writes.Any(dataset => dataset.Name == "flat")), Is.EqualTo(2));
    }

    [Test]
    public void A_flatten_of_what_the_runner_makes_gets_a_stage()
    {
        var p = new PipelineBuilder();
        p.Impulse("start");
        p.Impulse("start 2");
        p.Add("flatten", BeamUrns.Transforms.Flatten, ["start", "start 2"], [p.PCollection("flat", "bytes")]);
        p.ParDo("a", "flat", "x");
        Assert.That(Show(p), Is.EquivalentTo(new[] { "start -> flatten -> flat", "start 2 -> flatten -> flat", "flat -> a ->" }));
    }

    [Test]
    public void A_flatten_of_nothing_is_complete_and_empty()
    {
        var p = new PipelineBuilder();
        p.Flatten("flat");
        p.ParDo("a", "flat", "x");
        Assert.That(Show(p), Is.EqualTo(new[] { "flat -> a ->" }));
    }

    [Test]
    public void Environments_do_not_share_stages()
    {
        var p = new PipelineBuilder();
        p.Impulse("start");
        p.ParDo("a", "start", "x");
        p.Add("b", BeamUrns.Transforms.ParDo, ["x"], ["y"], "other", new ParDoPayload());
        Assert.That(Show(p), Is.EqualTo(new[] { "start -> a -> x", "x -> b ->" }));
        Assert.That(Translate(p).Environments.Keys, Is.EquivalentTo(new[] { "env", "other" }));
    }

    [Test]
    public void A_combine_per_key_is_lifted_before_its_grouping()
    {
        var p = new PipelineBuilder();
        p.Impulse("start");
        p.ParDo("a", "start", "pairs");
        var combine = p.Add("combine", BeamUrns.Transforms.CombinePerKey, ["pairs"], ["sums"], "env", new CombinePayload { AccumulatorCoderId = "bytes" });
        combine.Subtransforms.Add("not looked at");
        p.ParDo("b", "sums", "z");
        Assert.That(Show(p), Is.EqualTo(new[]
        {
            "start -> a combine/Precombine -> combine/Precombine.out", "combine/Group.out -> combine/Merge combine/ExtractOutputs b ->",
        }));
        var descriptors = Describe(p);
        Assert.That(descriptors[0].Transforms["combine/Precombine"].Spec.Payload, Is.EqualTo(combine.Spec.Payload));
        Assert.That(PortCoder(descriptors[0], "fn/write/combine/Precombine.out"), Is.EqualTo("windowed_value(kv(length_prefix(bytes),length_prefix(bytes)),global_window)"));
        Assert.That(Translate(p).StepNames["combine/Merge"], Is.EqualTo("Name of combine/Merge"));
    }

    [Test]
    public void A_grouping_of_what_a_grouping_made_is_rewritten_in_between()
    {
        var p = new PipelineBuilder();
        p.Coder("iterable of iterables", BeamUrns.Coders.Iterable, "iterable");
        p.Coder("grouped twice", BeamUrns.Coders.Kv, "bytes", "iterable of iterables");
        p.Impulse("start");
        p.ParDo("a", "start", "pairs");
        p.GroupByKey("pairs", "groups");
        p.Add("group again", BeamUrns.Transforms.GroupByKey, ["groups"], [p.PCollection("groups of groups", "grouped twice")]);
        p.ParDo("b", "groups of groups", "y");
        Assert.That(Show(p), Is.EqualTo(new[] { "start -> a -> pairs", "groups -> groups/rewrite -> groups/rewritten", "groups of groups -> b ->" }));
    }

    [Test]
    public void Composites_are_taken_apart_and_leaves_without_effect_are_dropped()
    {
        var p = new PipelineBuilder();
        p.Impulse("start");
        p.ParDo("a", "start", "x");
        p.Components.Transforms["a"].UniqueName = "outer/inner/a";
        p.Add("outer", "sdk:composite:v1", ["start"], ["x"], isRoot: false).Subtransforms.Add("inner");
        p.Add("inner", "", ["start"], ["x"], isRoot: false).Subtransforms.Add("a");
        p.Add("no-op", "beam:transform:pickled_python:v1", ["x"], [], "env").Outputs.Add("0", "x");
        var pipeline = p.Build();
        pipeline.RootTransformIds.Clear();
        pipeline.RootTransformIds.Add(["impulse start", "outer", "no-op"]);
        Assert.That(Show(pipeline), Is.EqualTo(new[] { "start -> a ->" }));
    }

    [Test]
    public void Sessions_are_merged_by_the_runner_and_other_merging_windows_are_refused()
    {
        PipelineBuilder Grouping(string windowFn)
        {
            var p = new PipelineBuilder();
            p.Windowing("merging", "interval", windowFn, merges: true);
            p.Impulse("start");
            p.PCollection("pairs", "kv", "merging");
            p.ParDo("a", "start", "pairs");
            p.GroupByKey("pairs", "groups");
            return p;
        }

        Assert.That(Translate(Grouping(BeamUrns.WindowFns.SessionWindows)).Plan.Stages.OfType<GroupByKeyStage>().Single().MergesSessions);
        Assert.That(() => Translate(Grouping("sdk:window_fn:v1")), Throws.TypeOf<PipelineTranslationException>().With.Message.Contains("'Name of group pairs'").And.Message.Contains("sdk:window_fn:v1"));
    }

    [Test]
    public void A_transform_that_needs_stable_input_reads_it_from_where_it_is_kept()
    {
        var p = new PipelineBuilder();
        p.Impulse("start");
        p.ParDo("a", "start", "x");
        p.ParDoWith("write", new ParDoPayload { RequiresStableInput = true }, "x", "y");
        Assert.That(Show(p), Is.EqualTo(new[] { "start -> a -> x", "x -> write ->" }));
    }

    [Test]
    public void What_the_runner_does_not_do_is_refused_by_name()
    {
        void Refuses(string what, Action<PipelineBuilder> add)
        {
            var p = new PipelineBuilder();
            p.Impulse("start");
            add(p);
            Assert.That(() => Translate(p), Throws.TypeOf<PipelineTranslationException>().With.Message.Contains(what));
        }

        Refuses("'Name of a' (a) uses user state", p => p.ParDoWith("a", new ParDoPayload { StateSpecs = { ["s"] = new StateSpec() } }, "start", "x"));
        Refuses("uses timers", p => p.ParDoWith("a", new ParDoPayload { TimerFamilySpecs = { ["t"] = new TimerFamilySpec() } }, "start", "x"));
        Refuses("uses a splittable DoFn", p => p.ParDoWith("a", new ParDoPayload { RestrictionCoderId = "bytes" }, "start", "x"));
        Refuses("neither known to the runner", p => p.Add("a", "who:knows:v1", ["start"], ["x"]));
        Refuses("'who'", p => p.Add("a", BeamUrns.Transforms.ParDo, ["start"], ["x"], "who", new ParDoPayload()));
        Refuses("nothing produces it", p => p.ParDo("a", "from nowhere", "x"));
        Refuses("what it writes", p =>
        {
            p.ParDo("a", "y", "x");
            p.ParDo("b", "x", "y");
        });
        Refuses("not beam:coder:kv:v1", p => p.GroupByKey("start", "groups"));
        Refuses("is not a ParDoPayload", p => p.Add("a", BeamUrns.Transforms.ParDo, ["start"], ["x"], "env").Spec.Payload = Google.Protobuf.ByteString.CopyFromUtf8("not a proto"));
    }

    private static TranslatedPipeline Translate(PipelineBuilder builder) => PipelineTranslator.Translate(builder.Build());

    private static IReadOnlyList<ProcessBundleDescriptor> Describe(PipelineBuilder builder) =>
        Translate(builder).DescribeStages(new ApiServiceDescriptor { Url = "somewhere" });

    private static List<string> Show(PipelineBuilder builder) => Show(builder.Build());

    /// <summary>The stages that harnesses execute: what each reads, its transforms, what it writes.</summary>
    private static List<string> Show(Model.Pipeline.Pipeline pipeline) =>
    [
        .. PipelineTranslator.Translate(pipeline).DescribeStages(new ApiServiceDescriptor { Url = "somewhere" }).Select(descriptor =>
        {
            string Ports(string prefix) => string.Join(' ', descriptor.Transforms.Keys.Where(id => id.StartsWith(prefix, StringComparison.Ordinal)).Select(id => id[prefix.Length..]).Order(StringComparer.Ordinal));
            var inner = string.Join(' ', descriptor.Transforms.Keys.Where(id => !id.StartsWith("fn/", StringComparison.Ordinal)));
            return $"{Ports("fn/read/")} -> {inner} -> {Ports("fn/write/")}".TrimEnd();
        }),
    ];

    private static string PortCoder(ProcessBundleDescriptor descriptor, string transform) =>
        Coder(descriptor, RemoteGrpcPort.Parser.ParseFrom(descriptor.Transforms[transform].Spec.Payload).CoderId);

    private static string Coder(ProcessBundleDescriptor descriptor, string id)
    {
        var coder = descriptor.Coders[id];
        var name = coder.Spec.Urn.Replace("beam:coder:", "", StringComparison.Ordinal) is var urn && coder.Spec.Urn != urn ? urn[..^3] : urn;
        return coder.ComponentCoderIds.Count == 0 ? name : $"{name}({string.Join(',', coder.ComponentCoderIds.Select(part => Coder(descriptor, part)))})";
    }
}
