using System.Security.Cryptography;
using Beam.Coders;
using Beam.ML.Inference.Sharing;

namespace Beam.ML.Inference.Clients;

/// <summary>A model's handler, and what its hosts are given.</summary>
internal sealed class BoundModel<TExample, TPrediction, TModel>(
    ModelHandler<TExample, TPrediction, TModel> handler, Coder<TExample> exampleCoder, Coder<TPrediction> predictionCoder, byte[] hosted) : BoundHandler<TExample, TPrediction>
{
    public override async Task<InferenceClient<TExample, TPrediction>> ConnectAsync(SetupContext context, CancellationToken cancellationToken)
    {
        var copies = context.Options.As<InferenceOptions>().ModelCopies;
        // Equal handlers have one model, in however many transforms they are.
        var tag = Convert.ToHexStringLower(SHA256.HashData(hosted).AsSpan(0, 8));
        if (!handler.ShareModelAcrossProcesses && copies is null)
        {
            var local = context.GetShared($"beam:ml:model:{tag}", () => new LocalModel<TModel>(handler.LoadModelAsync, handler.EnvironmentVariables, handler.ModelName));
            await local.GetAsync(cancellationToken);
            return new LocalModelClient<TExample, TPrediction, TModel>(handler, exampleCoder, local, context.WorkerId);
        }

        var sharing = handler.Sharing with { Copies = copies ?? handler.ModelCopies ?? handler.Sharing.Copies };
        sharing.Validate();
        var model = ModelManager.Of(context).GetModel(tag, handler.ModelName, hosted, handler.EnvironmentVariables, sharing);
        await model.WaitUntilReadyAsync(cancellationToken);
        return new SharedModelClient<TExample, TPrediction, TModel>(handler, exampleCoder, predictionCoder, model);
    }
}
